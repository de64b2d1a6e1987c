package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/bench/internal/wire"
	"scopegate/internal/dynamotest"
	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// Read is what reading a table over the wire takes: the check of its head that an
// instance makes when CACHE_TTL has passed, or a load of all of it.
type Read struct {
	What    string  `json:"what"`
	Routes  int     `json:"routes"`
	P50     float64 `json:"p50us"`
	CPU     float64 `json:"cpuUs"` // of the reader
	Ratio   float64 `json:"ratio"` // of P50, to the fewest routes
	Gets    int64   `json:"getItems"`
	Queries int64   `json:"queries"`
	Units   int64   `json:"readUnits"`
	KB      float64 `json:"kilobytes"` // of answers' bodies, as JSON
}

// delay is what the proxy adds to each answer.
const delay = time.Millisecond

// proxied starts a proxy of the server in a process of its own: its processor time
// must not count as the reader's.
func proxied(ctx context.Context, endpoint string) (string, func() error, error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stderr = append(os.Environ(), workerName+"=proxy"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start a proxy: %w", err)
	}
	stop := func() error {
		_ = in.Close() // the proxy ends with its input
		return cmd.Wait()
	}
	var at string
	_, err = fmt.Fprintln(in, endpoint)
	if err == nil {
		_, err = fmt.Fscanln(out, &at)
	}
	if err != nil {
		_ = stop()
		return "", nil, fmt.Errorf("start a proxy: %w", err)
	}
	return at, stop, nil
}

// serveProxy is the proxy's life.
func serveProxy(in io.Reader, out io.Writer) error {
	var endpoint string
	if _, err := fmt.Fscanln(in, &endpoint); err != nil {
		return fmt.Errorf("read the endpoint: %w", err)
	}
	p, err := wire.NewProxy(endpoint, delay)
	if err != nil {
		return err
	}
	server := httptest.NewServer(p)
	defer server.Close()
	if _, err := fmt.Fprintln(out, server.URL); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// site is a table of DynamoDB on the wire.
type site struct {
	client *wire.Weighing
	bytes  *wire.Counting
	table  string
}

// reads measures heads and loads of tables of so many routes, interleaved.
func (b *bench) reads(ctx context.Context, routes []int) (rows []Read, err error) {
	endpoint, stopServer, err := dynamotest.Run()
	if err != nil {
		return nil, err
	}
	defer stopServer()
	at, stop, err := proxied(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	defer stop()
	direct := site{table: dynamotest.TableName()}
	direct.connect(endpoint)
	if _, err := migrations.Run(ctx, direct.client.Client, direct.table, migrations.Options{Create: true}); err != nil {
		return nil, err
	}
	defer direct.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &direct.table})
	for i, n := range routes {
		fmt.Fprintf(b.progress, "wire: writing a table of %d routes\n", n)
		if err := direct.fill(ctx, apiAt(i), n); err != nil {
			return nil, err
		}
	}
	s := site{table: direct.table}
	s.connect(at)
	return b.readAll(ctx, s, routes)
}

func (s *site) connect(endpoint string) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	s.bytes = &wire.Counting{Next: transport}
	s.client = &wire.Weighing{Client: dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient: &http.Client{Transport: s.bytes, Timeout: time.Minute},
	})}
}

// fill writes a table: a path of some length, whose last part is random so that it
// packs no better than people's do, and one of a hundred scopes.
func (s *site) fill(ctx context.Context, api mapping.API, routes int) error {
	lines, random := make([]string, routes), rand.New(rand.NewPCG(15, 16))
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"customers/{id}/%s-%d","scope":"things-%d.read"}`, api.ARN, api.Stage, strconv.FormatUint(random.Uint64N(1<<40), 36), i, random.IntN(100))
	}
	list, err := mapping.ParsePermissions([]byte("[" + strings.Join(lines, ",") + "]"))
	if err != nil {
		return err
	}
	_, err = store.Merge(ctx, dynamo.New(s.client.Client, s.table), store.Batch{API: api, Permissions: list}, store.MergeOptions{By: "bench"})
	return err
}

// readAll measures in rounds: heads of all tables and loads of all tables, each in
// random order.
func (b *bench) readAll(ctx context.Context, s site, routes []int) ([]Read, error) {
	reader := dynamo.NewReader(s.client, s.table)
	rows := make([]Read, 2*len(routes))
	p50, cpu := make([][]float64, len(rows)), make([][]float64, len(rows))
	random := rand.New(rand.NewPCG(11, 12))
	for round := range b.rounds {
		fmt.Fprintf(b.progress, "wire: round %d of %d\n", round+1, b.rounds)
		for _, i := range random.Perm(len(rows)) {
			api := apiAt(i % len(routes))
			what, times := "check", min(100, max(1, b.calls/20))
			read := func() error { _, err := reader.Meta(ctx, api); return err }
			if i >= len(routes) {
				what, times = "load", 1
				read = func() error { _, err := reader.Load(ctx, api); return err }
			}
			if err := read(); err != nil { // a connection that is warm
				return nil, err
			}
			rows[i] = Read{What: what, Routes: routes[i%len(routes)]}
			took, used, err := s.read(&rows[i], times, read)
			if err != nil {
				return nil, err
			}
			p50[i], cpu[i] = append(p50[i], took), append(cpu[i], used)
		}
	}
	for i := range rows {
		first := i / len(routes) * len(routes)
		rows[i].P50, rows[i].CPU, rows[i].Ratio = median(p50[i]), median(cpu[i]), median(p50[i])/median(p50[first])
	}
	return rows, nil
}

// read reads some times and weighs one of them.
func (s *site) read(row *Read, times int, read func() error) (p50, cpu float64, err error) {
	s.client.Gets.Store(0)
	s.client.Queries.Store(0)
	s.client.Units.Store(0)
	s.bytes.Bytes.Store(0)
	var all []float64
	before := cpuTime()
	for range times {
		began := time.Now()
		if err := read(); err != nil {
			return 0, 0, err
		}
		all = append(all, us(time.Since(began)))
	}
	used := us(cpuTime()-before) / float64(times)
	row.Gets, row.Queries, row.Units = s.client.Gets.Load()/int64(times), s.client.Queries.Load()/int64(times), s.client.Units.Load()/int64(times)
	row.KB = float64(s.bytes.Bytes.Load()) / 1000 / float64(times)
	return median(all), used, nil
}
