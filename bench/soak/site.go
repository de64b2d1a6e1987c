// Command soak runs the authorizer's bootstrap at full speed while everything around
// it changes: tokens, tables, keys, revocations, and a store that misbehaves. In go a
// time and how many execution environments; out come whether each answer was right by
// the tables and within the promised staleness, whether memory and goroutines stayed
// flat, and how long calls took.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/oklog/ulid/v2"

	"scopegate/bench/internal/wire"
	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// site is all that an authorizer talks to.
type site struct {
	options  options
	truth    *truth
	provider *idp.Provider
	proxy    *wire.Proxy
	front    string // the proxy's URL
	client   *dynamodb.Client
	table    string
	store    *dynamo.Store // past the proxy
	stops    []func()

	minting sync.Mutex // tokens are of the generation that they are noted with
	tokens  []atomic.Pointer[minted]
	watched atomic.Pointer[[]minted] // of principals that are revoked, or will be
	serial  atomic.Int64
	felt    atomic.Bool // a call has failed as it may
}

// minted is a token, and what is known of it.
type minted struct {
	raw        string
	kind       kind
	principal  string
	generation int
}

const (
	scopeHeld = "orders.read"
	life      = 12 * time.Hour
	// delay is what the proxy adds to each answer: SDKs lose answers of servers that
	// take no time at all.
	delay = time.Millisecond
)

func newSite(ctx context.Context, o options) (s *site, err error) {
	s = &site{options: o, truth: newTruth(o.promise(), o.tables), table: dynamotest.TableName(), tokens: make([]atomic.Pointer[minted], o.tokens)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.provider, err = idp.New(idp.Options{}); err != nil {
		return s, err
	}
	keys := httptest.NewServer(s.provider)
	s.stops = append(s.stops, keys.Close)
	s.provider.SetBaseURL(keys.URL)
	endpoint, stop, err := dynamotest.Run()
	if err != nil {
		return s, err
	}
	s.stops = append(s.stops, stop)
	if s.proxy, err = wire.NewProxy(endpoint, delay); err != nil {
		return s, err
	}
	front := httptest.NewServer(s.proxy)
	s.front = front.URL
	// Those who hang are let go first, or the server would wait for them.
	s.stops = append(s.stops, s.proxy.Close, front.Close, front.CloseClientConnections)
	s.client = s.connect(endpoint)
	s.store = dynamo.New(s.client, s.table)
	if _, err = migrations.Run(ctx, s.client, s.table, migrations.Options{Create: true}); err != nil {
		return s, err
	}
	s.stops = append(s.stops, s.drop)
	for i := range o.tables {
		if err = s.fill(ctx, i); err != nil {
			return s, err
		}
	}
	for i := range s.tokens {
		if err = s.renew(i); err != nil {
			return s, err
		}
	}
	s.watched.Store(&[]minted{})
	return s, nil
}

func (s *site) close() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
}

func (s *site) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = s.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &s.table}) // a server of the user's own would keep it
}

func (s *site) connect(endpoint string) *dynamodb.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	s.stops = append(s.stops, transport.CloseIdleConnections)
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute},
	})
}

// environment is the function's.
func (s *site) environment() []string {
	return append([]string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_ENDPOINT_URL_DYNAMODB=" + s.front,
	}, s.settings()...)
}

func (s *site) settings() []string {
	return []string{
		"TABLE_NAME=" + s.table, "ENTRA_TENANT_IDS=" + s.provider.TenantID(), "ENTRA_AUTHORITY=" + s.provider.Authority(),
		"ENTRA_STS=" + s.provider.STS(), "OIDC_AUDIENCES=" + s.provider.Audience(),
		"CACHE_TTL=" + s.options.ttl.String(), "CACHE_MAX_STALE=" + s.options.maxStale.String(),
	}
}

func apiAt(table int) mapping.API {
	return mapping.API{ARN: fmt.Sprintf("arn:aws:execute-api:us-east-1:219852565112:%010d", table), Stage: "dev"}
}

func permission(table int, resource, scope string) mapping.Permission {
	api := apiAt(table)
	p, err := mapping.ParsePermission(fmt.Appendf(nil, `{"arn":%q,"stage":%q,"httpVerb":"GET","resource":%q,"scope":%q}`, api.ARN, api.Stage, resource, scope))
	if err != nil {
		panic(err) // written here
	}
	return p
}

// filler is a permission that makes a table larger, and is replaced at each edit.
func filler(table, n int) mapping.Permission {
	return permission(table, fmt.Sprintf("customers/{id}/things-%d", n), fmt.Sprintf("things-%d.read", n))
}

// fill makes a table.
func (s *site) fill(ctx context.Context, table int) error {
	put := []mapping.Permission{permission(table, "orders/{id}", scopeHeld), permission(table, pathToggle, "somebody.else"), permission(table, pathNever, "somebody.else")}
	for i := range s.options.routes {
		put = append(put, filler(table, i))
	}
	return s.commit(ctx, table, store.Change{API: apiAt(table), Put: put}, 1, false)
}

// edit opens or closes a route of a table, and replaces one of the others.
func (s *site) edit(ctx context.Context, table int) error {
	newest := s.truth.newest(table)
	before, err := s.store.Load(ctx, apiAt(table))
	if err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	change := store.Change{API: before.API, If: before.Revision}
	open := permission(table, pathToggle, scopeHeld)
	if newest.open {
		change.Remove = []string{open.ID()}
	} else {
		change.Put = []mapping.Permission{open}
	}
	n := int(newest.number)
	last, next := filler(table, n-1), filler(table, n-1+s.options.routes)
	route, _ := last.Route()
	change.Put, change.Remove, change.RemoveRoutes = append(change.Put, next), append(change.Remove, last.ID()), []string{route.ID()}
	return s.commit(ctx, table, change, before.Revision.Number+1, !newest.open)
}

// commit makes one change, and has the truth know of it before anybody can.
func (s *site) commit(ctx context.Context, table int, change store.Change, number uint64, open bool) error {
	change.ID, change.By, change.At = ulid.Make().String(), "soak", time.Now()
	s.truth.begin(table, number, open)
	meta, err := store.CommitSettled(ctx, s.store, change)
	switch {
	case err != nil:
		return fmt.Errorf("edit: %w", err)
	case meta.Revision.Number != number:
		return fmt.Errorf("edit: %s is at revision %d, must be at %d", change.API, meta.Revision.Number, number)
	}
	s.truth.written(table)
	return nil
}

// mint makes a token of the current generation.
func (s *site) mint(k kind) (*minted, error) {
	s.minting.Lock()
	defer s.minting.Unlock()
	n := s.serial.Add(1)
	oid := fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n)
	raw, err := s.provider.Mint(idp.Spec{Scopes: []string{scopeHeld}, ObjectID: oid, Life: life, Forged: k == forged, Expired: k == expired})
	return &minted{raw: raw, kind: k, principal: s.provider.TenantID() + ":" + oid, generation: s.truth.generation()}, err
}

// renew replaces a token of the pool. One in fifty of the pool is forged, one expired.
func (s *site) renew(i int) error {
	k := good
	switch i % 50 {
	case 10:
		k = forged
	case 20:
		k = expired
	}
	m, err := s.mint(k)
	if err != nil {
		return err
	}
	s.tokens[i].Store(m)
	return nil
}

// rotate replaces the provider's key.
func (s *site) rotate() error {
	s.minting.Lock()
	defer s.minting.Unlock()
	s.truth.rotate()
	return s.provider.Rotate()
}

// watch adds a principal who will be revoked, and leaves out those of long ago.
func (s *site) watch() error {
	m, err := s.mint(good)
	if err != nil {
		return err
	}
	all := append([]minted{*m}, *s.watched.Load()...)
	all = all[:min(len(all), 4)]
	s.watched.Store(&all)
	return nil
}

// revoke revokes the principal who was watched last.
func (s *site) revoke(ctx context.Context) error {
	all := *s.watched.Load()
	if len(all) == 0 {
		return errors.New("revoke: nobody is watched")
	}
	principal, now := all[0].principal, time.Now()
	s.truth.revoke(principal)
	_, err := s.store.Revoke(ctx, store.RevocationChange{
		ID: ulid.Make().String(), By: "soak", At: now,
		Put: &store.Revocation{PrincipalID: principal, At: now, Until: now.Add(store.MinRevocation + time.Hour), By: "soak"},
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	s.truth.revokedNow(principal)
	return nil
}
