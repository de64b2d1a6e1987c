// Command rsa is echo with the one thing that no authorizer can leave out for a
// new token: its RSA signature is verified, with the standard library. The token is
// found in the event's bytes, nothing of it is read. KEY_FILE holds the key.
package main

import (
	"context"
	"crypto/rsa"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/bench/peers/hand"
)

type verify struct{ key *rsa.PublicKey }

// Invoke is lambda.Handler's.
func (v verify) Invoke(_ context.Context, event []byte) ([]byte, error) {
	if err := hand.CheckSignature(hand.Bearer(event), v.key); err != nil {
		return nil, err
	}
	return event, nil
}

func main() {
	key, err := hand.ReadKey(os.Getenv("KEY_FILE"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "rsa:", err)
		os.Exit(1)
	}
	lambda.Start(verify{key})
}
