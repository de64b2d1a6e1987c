package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"scopegate/internal/dynamotest"
	"scopegate/store"
	"scopegate/store/dynamo"
)

const editors = 50

// acknowledged is a change that an editor was told was made.
type acknowledged struct{ requestID, revision string }

// editing is a server that many edit at once, over HTTP.
type editing struct {
	t   *testing.T
	url string

	mu    sync.Mutex
	acks  []acknowledged
	added []string // resources
	count int      // how often the counter was counted up
}

// send makes a request; it is no editor's failure that others are faster.
func (e *editing) send(method, path, body, match string) (status int, header http.Header, answer string) {
	r, err := http.NewRequestWithContext(e.t.Context(), method, e.url+path, strings.NewReader(body))
	if err != nil {
		e.t.Error(err)
		return 0, nil, ""
	}
	r.Header.Set("Authorization", "Bearer owner")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if match != "" {
		r.Header.Set("If-Match", match)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Error(err)
		return 0, nil, ""
	}
	defer func() { _ = got.Body.Close() }()
	b, err := io.ReadAll(got.Body)
	if err != nil {
		e.t.Error(err)
	}
	return got.StatusCode, got.Header, string(b)
}

func (e *editing) acknowledge(header http.Header, body, resource string) {
	var is struct{ Revision string }
	if err := json.Unmarshal([]byte(body), &is); err != nil || is.Revision == "" {
		e.t.Errorf("acknowledged with %s: %v", body, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.acks = append(e.acks, acknowledged{header.Get("X-Request-Id"), is.Revision})
	if resource == "" {
		e.count++
		return
	}
	e.added = append(e.added, resource)
}

// post adds a permission: that others change the table is no conflict.
func (e *editing) post(resource string) {
	status, header, body := e.send("POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "`+resource+`", "scope": "s"`), "")
	if status != http.StatusCreated {
		e.t.Errorf("POST: %d %s", status, body)
		return
	}
	e.acknowledge(header, body, resource)
}

// apply adds a permission by the document, again where another was faster.
func (e *editing) apply(resource string) {
	for {
		status, header, body := e.send("GET", document, "", "")
		var d struct {
			ARN         string            `json:"arn"`
			Stage       string            `json:"stage"`
			Permissions []json.RawMessage `json:"permissions"`
		}
		if err := json.Unmarshal([]byte(body), &d); err != nil || status != 200 {
			e.t.Errorf("GET: %d %s %v", status, body, err)
			return
		}
		d.Permissions = append(d.Permissions, json.RawMessage(perm("dev", `"httpVerb": "GET", "resource": "`+resource+`", "scope": "s"`)))
		edited, err := json.Marshal(d)
		if err != nil {
			e.t.Error(err)
			return
		}
		status, header, body = e.send("PUT", document, string(edited), header.Get("ETag"))
		switch status {
		case http.StatusPreconditionFailed:
			continue
		case http.StatusOK:
			e.acknowledge(header, body, resource)
		default:
			e.t.Errorf("PUT: %d %s", status, body)
		}
		return
	}
}

// countUp reads the counter and writes one more, again where another was faster.
func (e *editing) countUp(at string) {
	for {
		status, header, body := e.send("GET", at, "", "")
		var is shown
		if err := json.Unmarshal([]byte(body), &is); err != nil || status != 200 {
			e.t.Errorf("GET: %d %s %v", status, body, err)
			return
		}
		n, err := strconv.Atoi(is.Description)
		if err != nil {
			e.t.Error(err)
			return
		}
		status, header, body = e.send("PUT", at, fmt.Sprintf(`{"description": "%d"}`, n+1), header.Get("ETag"))
		switch status {
		case http.StatusPreconditionFailed:
			continue
		case http.StatusOK:
			e.acknowledge(header, body, "")
		default:
			e.t.Errorf("PUT: %d %s", status, body)
		}
		return
	}
}

// TestManyEditorsLoseNothing on either back end: every change that was
// acknowledged is in the table and in the audit trail, once, and the numbers of
// revisions have no gaps.
func TestManyEditorsLoseNothing(t *testing.T) {
	for name, open := range map[string]func(*testing.T) store.Store{
		"bolt": func(t *testing.T) store.Store { return openBolt(t) },
		"dynamodb": func(t *testing.T) store.Store {
			client, table := dynamotest.NewTable(t)
			return dynamo.New(client, table)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serverOn(t, open(t))
			s.owned(t)
			counter := s.add(t, "dev", `"httpVerb": "GET", "resource": "counter", "scope": "s", "description": "0"`)
			over := httptest.NewServer(s)
			defer over.Close()
			e := &editing{t: t, url: over.URL}
			var wg sync.WaitGroup
			for i := range editors {
				wg.Go(func() {
					switch i % 5 {
					case 0:
						e.apply(fmt.Sprintf("document-%d", i))
					case 1:
						e.countUp("/v1/permissions/" + counter.ID + "?arn=" + arn + "&stage=dev")
					default:
						e.post(fmt.Sprintf("post-%d", i))
					}
				})
			}
			wg.Wait()
			http.DefaultClient.CloseIdleConnections()
			e.check(s.store.Store)
		})
	}
}

func (e *editing) check(s store.Store) {
	e.t.Helper()
	table, err := s.Load(e.t.Context(), api)
	if err != nil {
		e.t.Fatal(err)
	}
	there := map[string]string{}
	for _, p := range table.Permissions {
		there[p.Resource.String()] = p.Description
	}
	for _, resource := range e.added {
		if _, ok := there[resource]; !ok {
			e.t.Errorf("%s was acknowledged, and is not in the table", resource)
		}
	}
	if len(e.acks) != editors || len(there) != len(e.added)+1 || there["counter"] != strconv.Itoa(e.count) || e.count != editors/5 {
		e.t.Errorf("%d changes acknowledged; %d permissions of %d added; the counter at %s of %d", len(e.acks), len(there)-1, len(e.added), there["counter"], e.count)
	}
	records, err := s.Audit(e.t.Context(), api, "", 1000)
	if err != nil {
		e.t.Fatal(err)
	}
	// Changes of several may be recorded in another order than they were made in.
	after, byNumber := map[acknowledged]int{}, map[uint64]store.Record{}
	for _, r := range records {
		after[acknowledged{r.RequestID, r.After.String()}]++
		byNumber[r.After.Number] = r
	}
	for _, a := range e.acks {
		if after[a] != 1 {
			e.t.Errorf("%+v was acknowledged, and is in the audit trail %d times", a, after[a])
		}
	}
	const before = 2 // registered, counter
	if len(records) != editors+before || table.Revision.Number != editors+before {
		e.t.Errorf("%d records, the table at %s, want %d", len(records), table.Revision, editors+before)
	}
	for n := uint64(2); n <= table.Revision.Number; n++ {
		if byNumber[n].Before != byNumber[n-1].After {
			e.t.Errorf("revision %d was made of %s, not of %s", n, byNumber[n].Before, byNumber[n-1].After)
		}
	}
}
