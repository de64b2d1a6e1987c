package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func newProxy(t *testing.T) (*Proxy, *httptest.Server) {
	t.Helper()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Asked", r.Header.Get("X-Amz-Target")+" "+r.Host)
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(body)
	}))
	t.Cleanup(target.Close)
	p, err := NewProxy(target.URL, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	return p, front
}

func ask(ctx context.Context, url string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("question"))
	if err != nil {
		return nil, "", err
	}
	r.Host, r.Header["X-Amz-Target"] = "dynamodb.example", []string{"GetItem"}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, string(body), err
}

func TestAHealthyProxyPassesEverythingOn(t *testing.T) {
	for _, mode := range []Mode{Healthy, Slow} {
		p, front := newProxy(t)
		p.Set(mode)
		answer, body, err := ask(t.Context(), front.URL)
		if err != nil || answer.StatusCode != http.StatusTeapot || body != "question" || answer.Header.Get("X-Asked") != "GetItem dynamodb.example" {
			t.Errorf("%s: %v %q %v", mode, answer, body, err)
		}
		if p.Requests() != 1 {
			t.Errorf("%s: %d requests", mode, p.Requests())
		}
	}
}

func TestAnOutageAnswersNothingOfTheServers(t *testing.T) {
	p, front := newProxy(t)
	p.Set(Refused)
	if answer, body, err := ask(t.Context(), front.URL); err != nil || answer.StatusCode != 500 || !strings.Contains(body, "InternalServerError") {
		t.Errorf("%v %q %v", answer, body, err)
	}
	p.Set(Dropped)
	if answer, body, err := ask(t.Context(), front.URL); err == nil {
		t.Errorf("dropped, and yet %v %q", answer, body)
	}
	p.Set(Hanging)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if answer, body, err := ask(ctx, front.URL); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hanging, and yet %v %q %v", answer, body, err)
	}
	p.Set(Healthy)
	if answer, _, err := ask(t.Context(), front.URL); err != nil || answer.StatusCode != http.StatusTeapot {
		t.Errorf("%v %v", answer, err)
	}
}

func TestWhatIsReadIsWeighedAsAWSDoes(t *testing.T) {
	item := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "1234"},                                                               // 2 + 4
		"n":  &types.AttributeValueMemberN{Value: "12"},                                                                 // 1 + 3
		"b":  &types.AttributeValueMemberB{Value: make([]byte, 5000)},                                                   // 1 + 5000
		"t":  &types.AttributeValueMemberBOOL{Value: true},                                                              // 1 + 1
		"l":  &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: "ab"}}},    // 1 + 3 + 1 + 2
		"m":  &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"x": &types.AttributeValueMemberS{}}}, // 1 + 3 + 1 + 1
	}
	if got, want := Size(item), 6+4+5001+2+7+6; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	for bytes, want := range map[int]int64{0: 1, 1: 1, 4096: 1, 4097: 2, 8192: 2} {
		if got := Units(bytes); got != want {
			t.Errorf("%d bytes: %d units, want %d", bytes, got, want)
		}
	}
}
