package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"scopegate/gateway"
	"scopegate/internal/probe"
)

// Parts of the local gateway.
const (
	LocalREST = "REST API, local gateway"
	LocalHTTP = "HTTP API, local gateway"
)

// clock is a time that passes when somebody waits for it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// ProbeLocal asks the questions of this project's gateway, over the wire of this
// machine and with a clock of its own, so that nobody waits. What differs from the
// expected rows here is a fault of the gateway, which all other local answers rest
// on.
func ProbeLocal(ctx context.Context) []Row {
	var rows []Row
	for _, api := range []struct {
		part    string
		flavour gateway.Flavour
		stage   string
		path    string
	}{{LocalREST, gateway.RESTToken, "probe", "/probe"}, {LocalHTTP, gateway.HTTPv2, "$default", ""}} {
		found, err := probeGateway(ctx, api.part, api.flavour, api.stage, api.path)
		if err != nil {
			found = []Row{failed(err).row(api.part, "probe", "the probe answers")}
		}
		rows = append(rows, found...)
	}
	return rows
}

const (
	cacheTTL = 300 * time.Second // deploy/probe's
	localID  = "probe00001"
)

func probeGateway(ctx context.Context, part string, flavour gateway.Flavour, stage, path string) ([]Row, error) {
	now := &clock{now: time.Now()}
	g, err := gateway.New(gateway.Config{
		Flavour: flavour, ARN: "arn:aws:execute-api:us-east-1:123456789012:" + localID, Stages: []string{stage},
		Authorizer: probe.Handler{APIs: []string{localID}, Now: now.Now}, AuthorizerTTL: cacheTTL, Now: now.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("make the local gateway: %w", err)
	}
	url, stop, err := serve(g.Server())
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{}}
	defer func() {
		client.CloseIdleConnections()
		stop()
	}()
	return Probe(ctx, Target{
		Part: part, URL: url + path, IsHTTP: flavour == gateway.HTTPv2, Single: true, Client: client, Now: now.Now, Wait: now.wait,
	})
}

// serve serves on a free port of this machine until stop, which waits for the end.
func serve(server *http.Server) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen for the local gateway: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l) // ends by Close; before that an answer would be missing, and its row failed
	}()
	stop = func() {
		server.Close()
		<-done
	}
	return "http://" + l.Addr().String(), stop, nil
}
