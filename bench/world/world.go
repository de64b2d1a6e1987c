// Package world is what an authorizer talks to, for benchmarks of compiled
// functions: a tenant's provider and a DynamoDB, both over TLS with certificates of
// an authority of its own. Options come in; out come their addresses as settings of
// children, tokens, events, and a client to fill tables with.
package world

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
)

// DefaultDelay is how long an answer of DynamoDB takes at least. Without any,
// aws-sdk-go-v2 loses replies of a loopback server and sends again; and no real one
// answers faster.
const DefaultDelay = time.Millisecond

// Options of a World.
type Options struct {
	Delay time.Duration // of DynamoDB's and of the provider's answers; 0 is DefaultDelay
	// Replay has DynamoDB's answers to reads remembered, so that the stand-in costs
	// the same each time, little, and nothing that varies. For tables that do not
	// change while they are read.
	Replay bool
}

// World is safe for concurrent use. Its methods that write files write into its
// folder.
type World struct {
	Provider *idp.Provider
	// Client talks to the server behind the stand-in: undelayed, not counted.
	Client *dynamodb.Client
	// DynamoDB is the URL of the stand-in: https, HTTP/1.1 alone, as DynamoDB has it.
	DynamoDB string
	// Front counts what DynamoDB is asked.
	Front *Front

	dir     string
	ca      *authority
	servers []*http.Server
	stop    func()
}

// New starts a world. Its files (certificates, keys) are written into dir.
func New(dir string, o Options) (w *World, err error) {
	if o.Delay == 0 {
		o.Delay = DefaultDelay
	}
	w = &World{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.ca, err = newAuthority(); err != nil {
		return w, err
	}
	endpoint, stop, err := dynamotest.Run()
	if err != nil {
		return w, fmt.Errorf("start a DynamoDB: %w", err)
	}
	w.stop = stop
	w.Client = client(endpoint)
	w.Front = newFront(endpoint, o)
	if w.DynamoDB, err = w.serve(w.Front, []string{"http/1.1"}); err != nil {
		return w, err
	}
	if w.Provider, err = idp.New(idp.Options{}); err != nil {
		return w, err
	}
	base, err := w.serve(delayed(w.Provider, o.Delay), []string{"h2", "http/1.1"})
	if err != nil {
		return w, err
	}
	w.Provider.SetBaseURL(base)
	return w, w.writeTrust()
}

func client(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:  &http.Client{Timeout: 30 * time.Second},
	})
}

// delayed answers after a time.
func delayed(next http.Handler, d time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

func (w *World) serve(h http.Handler, protocols []string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	certificate, err := w.ca.issue(net.IPv4(127, 0, 0, 1))
	if err != nil {
		return "", errors.Join(err, l.Close())
	}
	var http2 http.Protocols
	http2.SetHTTP1(true)
	http2.SetHTTP2(protocols[0] == "h2")
	s := &http.Server{
		Handler: h, Protocols: &http2, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protocols, MinVersion: tls.VersionTLS12},
		ErrorLog:  silent, // children that end in the middle of a handshake are nothing to tell
	}
	w.servers = append(w.servers, s)
	go s.ServeTLS(l, "", "") // ends with Close
	return "https://" + l.Addr().String(), nil
}

// Close ends the servers.
func (w *World) Close() error {
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	if w.stop != nil {
		w.stop()
	}
	return errors.Join(errs...)
}

// Env are the settings of the authorizer function in this world, but for trust and
// the table's name.
func (w *World) Env() []string {
	return append(w.AWS(),
		"ENTRA_TENANT_IDS="+w.Provider.TenantID(), "ENTRA_AUTHORITY="+w.Provider.Authority(), "ENTRA_STS="+w.Provider.STS(),
		"OIDC_AUDIENCES="+w.Provider.Audience())
}

// AWS are the settings of AWS's SDKs in this world.
func (w *World) AWS() []string {
	return []string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_ENDPOINT_URL_DYNAMODB=" + w.DynamoDB,
	}
}

// OneRoot are the settings of a Go program that trusts this world's authority alone.
// (Beside the file, Go reads every file of its folders: there must be none.)
func (w *World) OneRoot() []string {
	return []string{"SSL_CERT_FILE=" + w.path("ca.pem"), "SSL_CERT_DIR=" + w.path("none")}
}

// FullBundle are those of one that trusts what this machine does, too.
func (w *World) FullBundle() []string {
	return []string{"SSL_CERT_FILE=" + w.path("bundle.pem"), "SSL_CERT_DIR=" + w.path("none")}
}

// CAFile is the authority's certificate (PEM).
func (w *World) CAFile() string { return w.path("ca.pem") }

func (w *World) path(name string) string { return filepath.Join(w.dir, name) }

// bundles are where systems keep their roots; the first that is there is taken.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
}

func (w *World) writeTrust() error {
	if err := errors.Join(os.MkdirAll(w.path("none"), 0o755), os.WriteFile(w.path("ca.pem"), w.ca.pem, 0o644)); err != nil {
		return err
	}
	all := w.ca.pem
	for _, name := range bundles {
		if b, err := os.ReadFile(name); err == nil {
			all = append(append([]byte{}, b...), w.ca.pem...)
			break
		}
	}
	return os.WriteFile(w.path("bundle.pem"), all, 0o644)
}

// Ready waits until both servers answer over TLS.
func (w *World) Ready(ctx context.Context) error {
	trusted := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.ca.pool()}}, Timeout: time.Minute}
	defer trusted.CloseIdleConnections()
	for _, url := range []string{w.Provider.Authority(), w.DynamoDB} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := trusted.Do(req)
		if err != nil {
			return fmt.Errorf("the stand-in at %s does not answer: %w", url, err)
		}
		res.Body.Close()
	}
	return nil
}
