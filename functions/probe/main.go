// Command probe is the Lambda function of the throw-away API that scopegate doctor
// asks (deploy/probe): its authorizer, and its backend.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/internal/probe"
)

func main() { lambda.Start(probe.Handler{}) }
