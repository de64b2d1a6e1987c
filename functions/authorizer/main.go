// Command authorizer is the Lambda function behind API Gateway's authorizers.
package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/internal/config"
	"scopegate/internal/wiring"
	"scopegate/store/dynamo"
)

// prefetchTimeout bounds the network work of the start. Lambda gives the init
// phase 10 s (AWS: "Understanding the Lambda execution environment lifecycle").
const prefetchTimeout = 5 * time.Second

// attemptTimeout leaves room for a second attempt within one refresh of a table
// (store.DefaultTimeout): a connection that Lambda's freeze has killed hangs.
const attemptTimeout = 1400 * time.Millisecond

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// readRoots has crypto/x509 read the system's certificates, which it does once in a
// process: 3 ms of work that need not wait for the first handshake.
func readRoots() { _, _ = x509.SystemCertPool() } // what is wrong with them, the handshake says

func run() error {
	go readRoots()
	ctx, cancel := context.WithTimeout(context.Background(), prefetchTimeout)
	defer cancel()
	settings, err := config.Load(os.Environ(), config.Authorizer)
	if err != nil {
		return err
	}
	log, err := wiring.NewLog(settings.LogLevel)
	if err != nil {
		return err
	}
	source, err := dynamo.OpenLambda(os.Environ(), dynamo.FunctionSettings{Table: settings.TableName, AttemptTimeout: attemptTimeout})
	if err != nil {
		return err
	}
	parts, err := wiring.New(settings, source, log, nil)
	if err != nil {
		return err
	}
	parts.Prefetch(ctx)
	cancel()
	lambda.Start(parts.Authorizer)
	return nil
}
