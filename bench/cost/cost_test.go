package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"scopegate/gateway"
	"scopegate/internal/config"
	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

var (
	api   = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}
	epoch = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
)

// counting is a client of a real server that counts what it is asked. What the SDK
// sends twice, for want of an answer, is one call.
type counting struct {
	*dynamodb.Client
	gets, queries *atomic.Int64
}

func (c counting) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	c.gets.Add(1)
	return c.Client.GetItem(ctx, in, o...)
}

func (c counting) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	c.queries.Add(1)
	return c.Client.Query(ctx, in, o...)
}

// world is a table on a real wire, a tenant and one clock; rigs are put on it.
type world struct {
	t        testing.TB
	clock    atomic.Int64
	client   *dynamodb.Client
	table    string
	provider *idp.Provider
	settings []string
	tokens   []string
	more     []string // scopes of each caller, beside the one that opens something
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	w.client, w.table = dynamotest.NewTable(t)
	var err error
	w.provider, err = idp.New(idp.Options{Now: w.now})
	w.must(err)
	server := httptest.NewServer(w.provider)
	t.Cleanup(server.Close)
	w.provider.SetBaseURL(server.URL)
	w.settings = []string{
		"ENTRA_TENANT_IDS=" + w.provider.TenantID(), "ENTRA_AUTHORITY=" + w.provider.Authority(), "ENTRA_STS=" + w.provider.STS(),
		"OIDC_AUDIENCES=" + w.provider.Audience(),
	}
	list, err := mapping.ParsePermissions([]byte(`[{"arn":"` + api.ARN + `","stage":"dev","httpVerb":"GET","resource":"orders/{id}","scope":"orders.read"}]`))
	w.must(err)
	_, err = store.Merge(t.Context(), dynamo.New(w.client, w.table), store.Batch{API: api, Permissions: list}, store.MergeOptions{By: "test"})
	w.must(err)
	return w
}

func (w *world) now() time.Time     { return epoch.Add(time.Duration(w.clock.Load())) }
func (w *world) at(d time.Duration) { w.clock.Store(int64(d)) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// caller gives the n-th caller's token, which is good for longer than any test, from
// the epoch on whenever it is first asked for: a later rig begins there again.
func (w *world) caller(n int) string {
	w.t.Helper()
	for len(w.tokens) <= n {
		raw, err := w.provider.Mint(idp.Spec{Scopes: append([]string{"orders.read"}, w.more...), Life: 24 * time.Hour, IssuedAt: epoch.Sub(w.now()), ObjectID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", len(w.tokens))})
		w.must(err)
		w.tokens = append(w.tokens, raw)
	}
	return w.tokens[n]
}

// rig is API Gateway with so many instances of the authorizer, one of them asked at
// random, of a fixed seed.
type rig struct {
	w             *world
	gateway       *gateway.Gateway
	calls         atomic.Int64
	gets, queries atomic.Int64
	// disturbed says that a request failed, or waited so long for a read that the
	// authorizer may have answered from older data meanwhile, both for want of a
	// processor: what is counted is not of the load.
	disturbed bool
}

// stall is shorter than the authorizer waits for anything.
const stall = 300 * time.Millisecond

// stalledStart is shorter than a start waits for anything.
const stalledStart = 2 * time.Second

// undisturbed counts again where the machine came in between, ten times at most.
func (w *world) undisturbed(count func() *rig) {
	for range 10 {
		if !count().disturbed {
			return
		}
		w.t.Log("disturbed, once more")
	}
}

func (w *world) rig(l Load) *rig {
	w.t.Helper()
	w.at(0)
	r := &rig{w: w}
	settings, err := config.Load(append(w.settings, "CACHE_TTL="+l.Table.String()), config.Authorizer)
	w.must(err)
	random := rand.New(rand.NewPCG(3, 4))
	var instances []*wiring.Parts
	for range l.Instances {
		reader := dynamo.NewReader(counting{w.client, &r.gets, &r.queries}, w.table)
		reader.SetClock(w.now)
		parts, err := wiring.New(settings, reader, zap.NewNop(), w.now)
		w.must(err)
		began := time.Now()
		parts.Prefetch(w.t.Context())
		r.disturbed = r.disturbed || time.Since(began) > stalledStart
		instances = append(instances, parts)
	}
	r.gateway, err = gateway.New(gateway.Config{
		Flavour: gateway.RESTToken, ARN: api.ARN, Stages: []string{api.Stage}, AuthorizerTTL: l.Gateway, CacheSize: 1 << 20, Now: w.now,
		Backend: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		Authorizer: gateway.AuthorizerFunc(func(ctx context.Context, event []byte) ([]byte, error) {
			r.calls.Add(1)
			return instances[random.IntN(len(instances))].Authorizer.Invoke(ctx, event)
		}),
	})
	w.must(err)
	return r
}

// send makes one request, which is allowed.
func (r *rig) send(at time.Duration, caller int) {
	r.w.t.Helper()
	r.w.at(at)
	request := httptest.NewRequest(http.MethodGet, "/dev/orders/7", nil)
	request.Header.Set("Authorization", "Bearer "+r.w.caller(caller))
	got, began, reads := httptest.NewRecorder(), time.Now(), r.gets.Load()
	r.gateway.ServeHTTP(got, request)
	if got.Code >= http.StatusInternalServerError || r.gets.Load() != reads && time.Since(began) > stall {
		r.disturbed = true
	} else if got.Code != http.StatusOK {
		r.w.t.Fatalf("after %v: %d %s", at, got.Code, got.Body)
	}
}

// reads is what was asked since the last time: GetItems and Queries.
func (r *rig) reads() (gets, queries int) {
	return int(r.gets.Swap(0)), int(r.queries.Swap(0))
}

// arrival is one request.
type arrival struct {
	at     time.Duration
	caller int
}

// atRandom are the requests of callers who know nothing of each other (Poisson), of
// a fixed seed: the same ones each time.
func atRandom(l Load, until time.Duration) []arrival {
	random := rand.New(rand.NewPCG(1, 2))
	var all []arrival
	for caller := range l.Callers {
		next := func() time.Duration { return time.Duration(random.ExpFloat64() * float64(l.Every)) }
		// Not all begin at the same time, or their answers would end together.
		begins := time.Duration(random.Float64() * float64(l.Gateway))
		for at := begins + next(); at < until; at += next() {
			all = append(all, arrival{at, caller})
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	return all
}

// counted is what was counted, brought to a million requests.
type counted struct{ calls, reads float64 }

// count lets the requests that come after a warming-up count.
func (w *world) count(l Load, warm, until time.Duration) (got counted) {
	w.t.Helper()
	w.undisturbed(func() *rig {
		var r *rig
		r, got = w.countOnce(l, warm, until)
		return r
	})
	return got
}

func (w *world) countOnce(l Load, warm, until time.Duration) (*rig, counted) {
	w.t.Helper()
	r := w.rig(l)
	arrivals := atRandom(l, until)
	first, _ := slices.BinarySearchFunc(arrivals, warm, func(a arrival, t time.Duration) int { return int(a.at - t) })
	for _, a := range arrivals[:first] {
		r.send(a.at, a.caller)
	}
	r.reads()
	r.calls.Store(0)
	for _, a := range arrivals[first:] {
		r.send(a.at, a.caller)
	}
	gets, queries := r.reads()
	if queries > 0 && !r.disturbed {
		w.t.Errorf("%+v: %d Queries although nothing changed", l, queries)
	}
	per := million / float64(len(arrivals)-first)
	return r, counted{float64(r.calls.Load()) * per, float64(gets) * per}
}

// small loads are counted in each run of the tests, the documented ones by the
// benchmark.
var small = []Load{
	{Callers: 20, Every: 10 * time.Second, Instances: 1, Gateway: 30 * time.Second, Table: 30 * time.Second},
	{Callers: 20, Every: 10 * time.Second, Instances: 4, Gateway: 30 * time.Second, Table: 30 * time.Second},
	{Callers: 30, Every: 10 * time.Second, Instances: 2, Gateway: time.Minute, Table: 5 * time.Second},
	{Callers: 10, Every: 2 * time.Second, Instances: 2, Table: 10 * time.Second},
	{Callers: 5, Every: time.Minute, Instances: 3, Gateway: 30 * time.Second, Table: time.Minute},
}

// TestTheFormulaIsWhatIsCounted: requests at random, the same in each run, so that
// how far the count of a few thousand is from what is to be expected is fixed.
func TestTheFormulaIsWhatIsCounted(t *testing.T) {
	w := newWorld(t)
	for _, l := range small {
		warm := 2*l.Gateway + l.Table + 5*l.Every
		got := w.count(l, warm, warm+time.Duration(1500/l.Callers)*l.Every)
		t.Logf("%+v: %.0f calls, %.0f reckoned; %.0f GetItems, %.0f reckoned", l, got.calls, l.Calls(), got.reads, l.Reads())
		if off(got.calls, l.Calls()) > 0.1 || off(got.reads, l.Reads()) > 0.1 {
			t.Errorf("%+v: counted %+v, reckoned %.0f calls and %.0f GetItems", l, got, l.Calls(), l.Reads())
		}
	}
}

func off(got, want float64) float64 { return math.Abs(got-want) / want }

// TestWithNothingKeptEachRequestIsACallThatReads: the one end of the formula.
func TestWithNothingKeptEachRequestIsACallThatReads(t *testing.T) {
	w := newWorld(t)
	l := Load{Callers: 3, Every: time.Second, Instances: 2}
	if got := w.count(l, 0, 100*time.Second); got.calls != million || got.reads < readsPerRefresh*million || got.reads > mostReads*million {
		t.Errorf("counted %+v", got)
	}
	if l.Calls() != million || math.Round(l.Reads()) != readsPerRefresh*million {
		t.Errorf("reckoned %v, %v", l.Calls(), l.Reads())
	}
}

// TestTheBoundsHoldForAnyTraffic, also for the worst.
func TestTheBoundsHoldForAnyTraffic(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		whole := func(name string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Second
		}
		l := Load{Callers: rapid.IntRange(1, 4).Draw(t, "callers"), Instances: rapid.IntRange(1, 3).Draw(t, "instances"), Gateway: whole("gateway", 20), Table: whole("table", 20)}
		var arrivals []arrival
		var at time.Duration
		requests := rapid.IntRange(1, 20).Draw(t, "requests")
		for range requests {
			at += whole("later", 12)
			arrivals = append(arrivals, arrival{at, rapid.IntRange(0, l.Callers-1).Draw(t, "caller")})
		}
		var gets, calls int
		w.undisturbed(func() *rig {
			r := w.rig(l)
			r.reads()
			for _, a := range arrivals {
				r.send(a.at, a.caller)
			}
			gets, _ = r.reads()
			calls = int(r.calls.Load())
			return r
		})
		if most := l.MostCalls(requests, at); calls > most {
			t.Fatalf("%+v: %d calls for %d requests in %v, more than %d", l, calls, requests, at, most)
		}
		if most := l.MostReads(calls, at); gets > most {
			t.Fatalf("%+v: %d GetItems for %d calls in %v, more than %d", l, gets, calls, at, most)
		}
	})
}

// What a start reads of one table, nobody revoked: the list of tables, the ledger and
// the table in Queries, and the head of the revocations.
const startGets, startQueries = 1, 3

// TestAnInstanceReadsOnceWhenItStarts: what the formula leaves out, the start of an
// instance, costs a handful of reads whatever the number of callers, one of them of the
// ledger.
func TestAnInstanceReadsOnceWhenItStarts(t *testing.T) {
	w := newWorld(t)
	for _, instances := range []int{1, 3} {
		var gets, queries int
		w.undisturbed(func() *rig {
			r := w.rig(Load{Instances: instances, Gateway: 0, Table: time.Hour})
			for caller := range 20 {
				r.send(time.Second, caller)
			}
			gets, queries = r.reads()
			return r
		})
		t.Logf("%d instances start: %d GetItems, %d Queries", instances, gets, queries)
		if gets != startGets*instances || queries != startQueries*instances {
			t.Errorf("%d instances: %d GetItems and %d Queries", instances, gets, queries)
		}
	}
}

// TestACallerMetLateIsLetInAtTheBeginning: rigs of one world share its tokens.
func TestACallerMetLateIsLetInAtTheBeginning(t *testing.T) {
	w := newWorld(t)
	w.undisturbed(func() *rig {
		r := w.rig(Load{Instances: 1})
		r.send(time.Hour, 0)
		return r
	})
	w.undisturbed(func() *rig {
		r := w.rig(Load{Instances: 1})
		r.send(0, 0)
		return r
	})
}

func TestTheCommandPrintsARowForEachPairOfTimes(t *testing.T) {
	var out, complaints bytes.Buffer
	if code := run([]string{"--gateway-ttl", "0s,5m", "--cache-ttl", "30s,1m", "--callers", "1500"}, &out, &complaints); code != 0 {
		t.Fatalf("%d %s", code, complaints.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[2], "| 1,500 | 10s | 2 | 0s | 30s | 1,000,000 | ") {
		t.Errorf("%s", out.String())
	}
}

func TestTheCommandNamesEveryFault(t *testing.T) {
	var out, complaints bytes.Buffer
	code := run([]string{"--gateway-ttl", "2h", "--cache-ttl", "-1s", "--callers", "0", "--instances", "-1", "--every", "0s"}, &out, &complaints)
	if code != 2 || out.Len() > 0 {
		t.Errorf("%d %s", code, out.String())
	}
	for _, want := range []string{"--gateway-ttl 2h0m0s: must be", "--cache-ttl -1s: must be", "--callers 0: must be", "--instances -1: must be", "--every 0s: must be"} {
		if !strings.Contains(complaints.String(), want) {
			t.Errorf("%s is not in %s", want, complaints.String())
		}
	}
}
