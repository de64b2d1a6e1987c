package lambdaruntime

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestResponseToAnUnknownEventIsRefused(t *testing.T) {
	p := &process{underWay: map[string]*invocation{}}
	for _, path := range []string{"x/response", "x/error"} {
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/2018-06-01/runtime/invocation/"+path, strings.NewReader("{}")))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "InvalidRequestID") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestEventIsAnsweredOnce(t *testing.T) {
	inv := &invocation{id: "x", result: make(chan result, 1)}
	p := &process{underWay: map[string]*invocation{"x": inv}}
	for _, want := range []int{http.StatusAccepted, http.StatusBadRequest} {
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/2018-06-01/runtime/invocation/x/response", strings.NewReader("hello")))
		if w.Code != want {
			t.Errorf("status %d, want %d", w.Code, want)
		}
	}
	if res := <-inv.result; string(res.response) != "hello" || res.err != nil {
		t.Errorf("%q, %v", res.response, res.err)
	}
}

func TestErrorWhileWritingTheResponseIsTheTrailers(t *testing.T) {
	h := http.Header{}
	h.Set(trailerError, "T")
	if e := trailerFault(h).(*Error); e.Type != "T" || e.Message != "" {
		t.Errorf("%#v", e)
	}
	h.Set(trailerErrorMsg, base64.StdEncoding.EncodeToString([]byte(`{"errorMessage":"m","errorType":"T"}`)))
	if e := trailerFault(h).(*Error); e.Type != "T" || e.Message != "m" {
		t.Errorf("%#v", e)
	}
}

func TestErrorThatIsNoObjectIsItsOwnMessage(t *testing.T) {
	if e := parseError([]byte("boom")); e.Message != "boom" || e.Type != "Runtime.Unknown" {
		t.Errorf("%#v", e)
	}
}

func TestLogsKeepTheEnd(t *testing.T) {
	var l tail
	l.Write([]byte("first"))
	for range 3 { // past one and past two of its sizes
		for range tailSize / 1024 {
			l.Write([]byte(strings.Repeat("x", 1024)))
		}
		l.Write([]byte("last"))
		if s := l.String(); len(s) != tailSize || strings.Contains(s, "first") || !strings.HasSuffix(s, "last") || len(l.b) > 2*tailSize {
			t.Errorf("%d bytes of %d kept", len(s), len(l.b))
		}
	}
}
