// Command echo is the least that a bootstrap in Go does: each event comes back as
// it came, or, where the file ANSWER is named, is answered with what is in it. All
// other bootstraps are compared with it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

type echo struct{ answer []byte }

// Invoke is lambda.Handler's: bytes in, bytes out.
func (e echo) Invoke(_ context.Context, event []byte) ([]byte, error) {
	if e.answer != nil {
		return e.answer, nil
	}
	return event, nil
}

func main() {
	var e echo
	if name := os.Getenv("ANSWER"); name != "" {
		var err error
		if e.answer, err = os.ReadFile(name); err != nil {
			fmt.Fprintln(os.Stderr, "echo: read ANSWER:", err)
			os.Exit(1)
		}
	}
	lambda.Start(e)
}
