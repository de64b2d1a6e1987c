// Command echo is a bootstrap that does what its event says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type order struct {
	Fail  string `json:"fail"`  // answer with this error
	Panic string `json:"panic"` // panic
	Exit  bool   `json:"exit"`  // end the process
	Meet  string `json:"meet"`  // first GET this URL
	Large int    `json:"large"` // answer with so many bytes
	Env   string `json:"env"`   // answer with this variable
}

func handle(ctx context.Context, o order) (map[string]any, error) {
	if o.Meet != "" {
		res, err := http.Get(o.Meet)
		if err != nil {
			return nil, err
		}
		res.Body.Close()
	}
	switch {
	case o.Fail != "":
		return nil, errors.New(o.Fail)
	case o.Panic != "":
		panic(o.Panic)
	case o.Exit:
		os.Exit(3)
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "trace": ctx.Value("x-amzn-trace-id"),
		"left": time.Until(deadline).Seconds(), "env": os.Getenv(o.Env), "pid": os.Getpid(),
		"large": strings.Repeat("x", o.Large),
	}, nil
}

func main() {
	fmt.Println("printed by the child")
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "no table name")
		os.Exit(1)
	case "error":
		b, _ := json.Marshal(map[string]string{"errorMessage": "no settings", "errorType": "Init"})
		res, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", strings.NewReader(string(b)))
		if err == nil {
			io.Copy(os.Stderr, res.Body)
			res.Body.Close()
		}
		os.Exit(1)
	case "hang":
		select {}
	}
	lambda.Start(handle)
}
