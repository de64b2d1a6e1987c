// Command probe is the Lambda function of the throw-away API that scopegate doctor
// asks (deploy/probe): its authorizer, and its backend. PROBE_APIS holds the ids of
// the APIs that it is for, with spaces between them; behind any other it fails.
package main

import (
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/internal/probe"
)

func main() { lambda.Start(probe.Handler{APIs: strings.Fields(os.Getenv("PROBE_APIS"))}) }
