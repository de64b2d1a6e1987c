// Command query is an authorizer as one finds it in tutorials: the typed handler and
// events of aws-lambda-go, go-oidc, and a Query of DynamoDB for each scope of each
// request. LRU=1 keeps what Queries answered for half a minute.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"scopegate/bench/peers/hand"
)

const (
	timeout    = 30 * time.Second
	ttl        = 30 * time.Second
	mostScopes = 1024
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "query:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx := oidc.ClientContext(context.Background(), &http.Client{Timeout: timeout})
	provider, err := oidc.NewProvider(ctx, os.Getenv("ISSUER"))
	if err != nil {
		return fmt.Errorf("discover the issuer: %w", err)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("read AWS configuration: %w", err)
	}
	a := authorizer{verifier: provider.Verifier(&oidc.Config{ClientID: os.Getenv("AUDIENCE")}), client: dynamodb.NewFromConfig(cfg)}
	if os.Getenv("LRU") != "" {
		a.known = expirable.NewLRU[string, []hand.Permission](mostScopes, nil, ttl)
	}
	lambda.Start(a.handle)
	return nil
}

type authorizer struct {
	verifier *oidc.IDTokenVerifier
	client   *dynamodb.Client
	known    *expirable.LRU[string, []hand.Permission] // nil: nothing is kept
}

func (a authorizer) handle(ctx context.Context, e events.APIGatewayCustomAuthorizerRequestTypeRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	var answer events.APIGatewayCustomAuthorizerResponse
	raw, ok := strings.CutPrefix(e.Headers["Authorization"], "Bearer ")
	if !ok {
		return answer, hand.ErrUnauthorized
	}
	token, err := a.verifier.Verify(ctx, raw)
	if err != nil {
		return answer, hand.ErrUnauthorized
	}
	var c hand.Claims
	if err := token.Claims(&c); err != nil {
		return answer, hand.ErrUnauthorized
	}
	var held []hand.Permission
	for _, scope := range strings.Fields(c.Scopes) {
		list, err := a.permissions(ctx, scope)
		if err != nil {
			return answer, err
		}
		held = append(held, list...)
	}
	return respond(c, held), nil
}

func (a authorizer) permissions(ctx context.Context, scope string) ([]hand.Permission, error) {
	if a.known != nil {
		if list, ok := a.known.Get(scope); ok {
			return list, nil
		}
	}
	out, err := a.client.Query(ctx, &dynamodb.QueryInput{
		TableName: aws.String(os.Getenv("PEERS_TABLE")), KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :scope)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": &types.AttributeValueMemberS{Value: os.Getenv("PEERS_KEY")}, ":scope": &types.AttributeValueMemberS{Value: scope + "#"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("query the permissions: %w", err)
	}
	var list []hand.Permission
	for _, item := range out.Items {
		list = append(list, hand.Permission{
			ARN: text(item["arn"]), Stage: text(item["stage"]), Verb: text(item["httpVerb"]), Resource: text(item["resource"]), Scope: text(item["scope"]),
		})
	}
	if a.known != nil {
		a.known.Add(scope, list)
	}
	return list, nil
}

func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func respond(c hand.Claims, held []hand.Permission) events.APIGatewayCustomAuthorizerResponse {
	document := events.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17"}
	for _, statements := range hand.NewTable(held) {
		for _, s := range statements {
			document.Statement = append(document.Statement, events.IAMPolicyStatement{Action: []string{s.Action}, Effect: s.Effect, Resource: []string{s.Resource}})
		}
	}
	if len(document.Statement) == 0 {
		document.Statement = []events.IAMPolicyStatement{{Action: []string{"execute-api:Invoke"}, Effect: "Deny", Resource: []string{"*"}}}
	}
	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: c.Tenant + ":" + c.Subject, PolicyDocument: document, Context: map[string]any{"scp": c.Scopes},
	}
}
