// Command floor is the least that an authorizer must do at its start when keys come
// from a provider and permissions from DynamoDB: it fetches one key set and one item
// over TLS, side by side, with the standard library, and is static from there on.
// What it fetches and how is all written for this one purpose: no discovery, no
// retries, no other source of credentials. See package hand.
package main

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/bench/peers/hand"
)

type handler struct{ *hand.Authorizer }

// Invoke is lambda.Handler's.
func (h handler) Invoke(_ context.Context, event []byte) ([]byte, error) { return h.Handle(event) }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

const timeout = 30 * time.Second

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	a := &hand.Authorizer{Verifier: &hand.Verifier{Issuer: os.Getenv("ISSUER"), Audience: os.Getenv("AUDIENCE")}}
	done := make(chan error, 1)
	go func() {
		var err error
		a.Verifier.Keys, err = keys(ctx, os.Getenv("JWKS_URL"))
		done <- err
	}()
	var err error
	a.Table, err = table(ctx)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	lambda.Start(handler{a})
	return nil
}

// keys fetches a key set (RFC 7517).
func keys(ctx context.Context, url string) (map[string]*rsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	var set struct {
		Keys []struct{ Kid, N, E string }
	}
	if err := fetch(req, &set); err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	all := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		n, errN := base64.RawURLEncoding.DecodeString(k.N)
		e, errE := base64.RawURLEncoding.DecodeString(k.E)
		if err := errors.Join(errN, errE); err != nil {
			return nil, fmt.Errorf("read key %s: %w", k.Kid, err)
		}
		all[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return all, nil
}

// table reads the permissions document of one item.
func table(ctx context.Context) (hand.Table, error) {
	req, err := getItem(ctx, map[string]any{
		"TableName": os.Getenv("PEERS_TABLE"), "ConsistentRead": true,
		"Key": map[string]any{"pk": attribute{S: os.Getenv("PEERS_KEY")}, "sk": attribute{S: "document"}},
	}, time.Now())
	if err != nil {
		return nil, fmt.Errorf("read the table: %w", err)
	}
	var out struct {
		Item struct{ Document attribute }
	}
	if err := fetch(req, &out); err != nil {
		return nil, fmt.Errorf("read the table: %w", err)
	}
	return hand.ReadTable([]byte(out.Item.Document.S))
}

type attribute struct{ S string }

func fetch(req *http.Request, to any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, b)
	}
	return json.Unmarshal(b, to)
}
