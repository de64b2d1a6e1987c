// Command prototype is an authorizer as a careful person writes it on the usual
// libraries: go-oidc and aws-sdk-go-v2, keys and permissions fetched side by side
// before the first event, permissions read again each half minute. REMEMBER=1
// keeps the answers to tokens that were verified.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coreos/go-oidc/v3/oidc"
	lru "github.com/hashicorp/golang-lru/v2"

	"scopegate/bench/peers/hand"
)

const (
	timeout    = 30 * time.Second
	ttl        = 30 * time.Second
	mostTokens = 1024
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "prototype:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	a := &authorizer{now: time.Now}
	done := make(chan error, 1)
	go func() { done <- a.connect(ctx) }()
	err := a.discover(ctx)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	if os.Getenv("REMEMBER") != "" {
		a.answers, err = lru.New[[sha256.Size]byte, answer](mostTokens)
		if err != nil {
			return err
		}
	}
	lambda.Start(a)
	return nil
}

type answer struct {
	until time.Time
	text  []byte
}

type authorizer struct {
	now      func() time.Time
	verifier *oidc.IDTokenVerifier
	client   *dynamodb.Client
	answers  *lru.Cache[[sha256.Size]byte, answer] // nil: nothing is remembered

	mu    sync.Mutex
	table hand.Table
	read  time.Time
}

// unknown is a JWS of no key: its verification has go-oidc fetch the keys.
const unknown = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vbmUifQ.e30.AA"

func (a *authorizer) discover(ctx context.Context) error {
	// The key set keeps this context for later fetches: it must not be bounded.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.Background(), &http.Client{Timeout: timeout}), os.Getenv("ISSUER"))
	if err != nil {
		return fmt.Errorf("discover the issuer: %w", err)
	}
	a.verifier = provider.Verifier(&oidc.Config{ClientID: os.Getenv("AUDIENCE")})
	var endpoints struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := provider.Claims(&endpoints); err != nil {
		return fmt.Errorf("discover the issuer: %w", err)
	}
	if _, err := a.verifier.Verify(ctx, unknown); err == nil {
		return errors.New("fetch keys: a token without a key was verified")
	}
	return nil
}

func (a *authorizer) connect(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("read AWS configuration: %w", err)
	}
	a.client = dynamodb.NewFromConfig(cfg)
	return a.load(ctx)
}

func (a *authorizer) load(ctx context.Context) error {
	out, err := a.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(os.Getenv("PEERS_TABLE")), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: os.Getenv("PEERS_KEY")}, "sk": &types.AttributeValueMemberS{Value: "document"},
		},
	})
	if err != nil {
		return fmt.Errorf("read the permissions: %w", err)
	}
	document, ok := out.Item["document"].(*types.AttributeValueMemberS)
	if !ok {
		return errors.New("read the permissions: there is no document")
	}
	if a.table, err = hand.ReadTable([]byte(document.Value)); err != nil {
		return err
	}
	a.read = a.now()
	return nil
}

// current is the table, read again when it is too old.
func (a *authorizer) current(ctx context.Context) (hand.Table, time.Time, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now().Sub(a.read) > ttl {
		if err := a.load(ctx); err != nil {
			return nil, time.Time{}, err
		}
	}
	return a.table, a.read.Add(ttl), nil
}

// Invoke is lambda.Handler's.
func (a *authorizer) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e hand.Event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	raw, ok := strings.CutPrefix(e.Headers["Authorization"], "Bearer ")
	if !ok {
		return nil, hand.ErrUnauthorized
	}
	var key [sha256.Size]byte
	if a.answers != nil {
		key = sha256.Sum256([]byte(raw))
		if known, ok := a.answers.Get(key); ok && a.now().Before(known.until) {
			return known.text, nil
		}
	}
	token, err := a.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, hand.ErrUnauthorized
	}
	var c hand.Claims
	if err := token.Claims(&c); err != nil {
		return nil, hand.ErrUnauthorized
	}
	table, until, err := a.current(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(table.Answer(c))
	if err == nil && a.answers != nil {
		if token.Expiry.Before(until) {
			until = token.Expiry
		}
		a.answers.Add(key, answer{until, text})
	}
	return text, err
}
