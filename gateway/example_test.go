package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/gateway"
)

// A function for aws-lambda-go is an authorizer as it is. The second route is
// answered from the policy that was cached for the first.
func ExampleNew() {
	authorize := func(_ context.Context, e events.APIGatewayCustomAuthorizerRequest) (*events.APIGatewayCustomAuthorizerResponse, error) {
		if e.AuthorizationToken != "Bearer alice" {
			return nil, errors.New("Unauthorized")
		}
		return &events.APIGatewayCustomAuthorizerResponse{
			PrincipalID: "alice",
			PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17", Statement: []events.IAMPolicyStatement{
				{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{apiARN + "/dev/GET/my-resource"}},
			}},
		}, nil
	}
	g, err := gateway.New(gateway.Config{
		Flavour: gateway.RESTToken, ARN: apiARN, Stages: []string{"dev"},
		Authorizer: lambda.NewHandler(authorize), AuthorizerTTL: gateway.MaxTTL,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, ask := range []string{"alice /dev/my-resource", "alice /dev/other", "mallory /dev/my-resource"} {
		token, target, _ := strings.Cut(ask, " ")
		fmt.Println(ask, as(g, token, target).Code)
	}
	fmt.Printf("%+v\n", g.Stats()["dev"])
	// Output:
	// alice /dev/my-resource 200
	// alice /dev/other 403
	// mallory /dev/my-resource 401
	// {Requests:3 AuthorizerCalls:2 CacheHits:1}
}
