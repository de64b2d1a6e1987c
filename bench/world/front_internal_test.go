package world

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestReadsAreReplayedAndNothingElseIs: a read is asked of the server once, in
// whatever order its names come, all others each time; and all are counted.
func TestReadsAreReplayedAndNothingElseIs(t *testing.T) {
	for _, replay := range []bool{false, true} {
		var asked atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := asked.Add(1)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("X-Amz-Crc32", "7")
			if strings.Contains(string(body), "fail") {
				w.WriteHeader(http.StatusBadRequest)
			}
			fmt.Fprintf(w, "%d", n)
		}))
		front := httptest.NewServer(newFront(server.URL, Options{Delay: time.Nanosecond, Replay: replay}))
		var got []string
		for _, call := range [][2]string{
			{"GetItem", `{"a":1,"b":2}`}, {"GetItem", `{"b":2,"a":1}`}, {"GetItem", `{"a":2}`}, {"Query", `{"a":1,"b":2}`},
			{"PutItem", `{}`}, {"PutItem", `{}`}, {"Query", `{"fail":1}`}, {"Query", `{"fail":1}`}, {"GetItem", "no JSON"}, {"GetItem", "no JSON"},
		} {
			got = append(got, post(t, front.URL, call[0], call[1]))
		}
		want := "1 2 3 4 5 6 7 8 9 10"
		if replay {
			want = "1 1 2 3 4 5 6 7 8 8"
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("replay %v: answers %s, want %s", replay, s, want)
		}
		if calls := front.Config.Handler.(*Front).Calls(); calls["GetItem"] != 5 || calls["Query"] != 3 || calls["PutItem"] != 2 {
			t.Errorf("%v", calls)
		}
		front.Close()
		server.Close()
	}
}

func post(t *testing.T, url, operation, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || strings.Contains(body, "fail") != (res.StatusCode == http.StatusBadRequest) || res.Header.Get("X-Amz-Crc32") != "7" {
		t.Errorf("%s: %d %s, %v", body, res.StatusCode, b, err)
	}
	return string(b)
}
