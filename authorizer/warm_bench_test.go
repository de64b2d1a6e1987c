package authorizer_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/token"
)

// written is a log that is written, to nowhere.
func written() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel))
}

// routes are so many routes that s1 holds, and one that it does not.
func routes(n int) []mapping.Permission {
	list := []mapping.Permission{tabletest.Permission("GET", "secret", "s2")}
	for i := range n {
		list = append(list, tabletest.Permission("GET", fmt.Sprintf("r%d/{id}", i), "s1"))
	}
	return list
}

// realistic is an event of a browser's call, 2.5 KB without the token.
func realistic(raw string) []byte {
	var headers, multi []string
	for i := range 20 {
		headers = append(headers, fmt.Sprintf(`"X-Header-%d":"%s"`, i, strings.Repeat("v", 40)))
		multi = append(multi, fmt.Sprintf(`"X-Header-%d":["%s"]`, i, strings.Repeat("v", 40)))
	}
	return fmt.Appendf(nil, `{"type":"REQUEST","methodArn":%q,"resource":"/r0/{id}","path":"/r0/7","httpMethod":"GET","headers":{%s,"Authorization":"Bearer %s"},
	 "multiValueHeaders":{%s,"Authorization":["Bearer %s"]},"queryStringParameters":null,"requestContext":{"requestId":"r-1","identity":{"sourceIp":"192.0.2.1","apiKey":null}}}`,
		api+"/dev/GET/r0/7", strings.Join(headers, ","), raw, strings.Join(multi, ","), raw)
}

// anybody takes every token for the same caller's.
type anybody token.Claims

func (c anybody) Verify(context.Context, string) (token.Claims, error) { return token.Claims(c), nil }

// BenchmarkKnownToken is the warm path: event, memory, answer, log line.
func BenchmarkKnownToken(b *testing.B) {
	raw := strings.Repeat("a", 1500) + ".b.c"
	for _, n := range []int{1, 90} {
		a := start(b, func(c *authorizer.Config) {
			c.Log = written()
			v, err := authorizer.Remember(verifier{raw: claims("s1")}, 8, 24*time.Hour, nil)
			if err != nil {
				b.Fatal(err)
			}
			c.Verifier = v
		}, routes(n)...)
		event := realistic(raw)
		b.Run(fmt.Sprintf("%d routes", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Invoke(b.Context(), event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNewToken is what a token that was never seen costs beside its
// verification.
func BenchmarkNewToken(b *testing.B) {
	a := start(b, func(c *authorizer.Config) {
		c.Log, c.Verifier = written(), anybody(claims("s1"))
	}, routes(90)...)
	event := realistic(strings.Repeat("a", 1500) + ".b.c")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Invoke(b.Context(), event); err != nil {
			b.Fatal(err)
		}
	}
}
