// Command static is an authorizer written by hand with the standard library: claims
// verified, a map of scopes in place of a store, a policy of one statement for each
// route. REMEMBER=1 keeps the answers to tokens that it knows. See package hand.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/bench/peers/hand"
)

type handler struct{ *hand.Authorizer }

// Invoke is lambda.Handler's.
func (h handler) Invoke(_ context.Context, event []byte) ([]byte, error) { return h.Handle(event) }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "static:", err)
		os.Exit(1)
	}
}

func run() error {
	verifier, err := hand.FromEnv()
	if err != nil {
		return err
	}
	table, err := hand.TableFromEnv()
	if err != nil {
		return err
	}
	lambda.Start(handler{&hand.Authorizer{Verifier: verifier, Table: table, Remember: os.Getenv("REMEMBER") != ""}})
	return nil
}
