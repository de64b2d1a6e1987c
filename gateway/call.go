package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"scopegate/mapping"
)

const (
	proxyResource = "/{proxy+}"
	connectRoute  = "$connect"
)

// call is one request as the API sees it.
type call struct {
	r         *http.Request
	at        time.Time
	id        string
	random    [16]byte
	api       mapping.API // ARN of the API, and the stage
	stage     string
	variables map[string]string
	method    string // "$connect" on WebSocket APIs
	rawPath   string // below the stage, as it was sent
	path      string // below the stage, as the ARN holds it
	query     string // as it was sent
	resource  string // /{proxy+}, or / for the root
	routeKey  string
	arn       string
	ip        netip.Addr
}

// methods are what ANY stands for; nothing else is routed.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true,
	http.MethodDelete: true, http.MethodHead: true, http.MethodOptions: true,
}

// read makes a call of r. The outcome is empty, or why the request does not get
// as far as the authorizer.
func (g *Gateway) read(r *http.Request) (*call, Outcome) {
	c := &call{r: r, at: g.cfg.Now(), method: r.Method, ip: remoteAddr(r)}
	c.setID()
	if requestSize(r) > MaxHeaders {
		return c, TooLarge
	}
	raw, query, ok := splitTarget(r.RequestURI)
	if !ok {
		return c, BadRequest
	}
	c.query = query
	if c.stage, c.rawPath, ok = g.place(raw); !ok {
		return c, NoStage
	}
	c.api = mapping.API{ARN: g.cfg.ARN, Stage: c.stage}
	c.variables = g.cfg.StageVariables[c.stage]
	if c.path, ok = g.cfg.Flavour.arnPath(c.rawPath); !ok {
		return c, BadRequest
	}
	return c, g.route(c)
}

// route finds the route of a call and completes its ARN.
func (g *Gateway) route(c *call) Outcome {
	if g.cfg.Flavour == WebSocket {
		return c.connect()
	}
	if !methods[c.method] {
		return NoRoute
	}
	c.resource = proxyResource
	if c.path == "/" {
		c.resource = "/"
	}
	c.routeKey = "ANY " + c.resource
	c.arn = c.api.String() + "/" + c.method + c.path
	if len(c.arn) > MaxMethodARN {
		return TooLong
	}
	return ""
}

// connect takes the opening handshake (RFC 6455 section 4.1) of a WebSocket.
func (c *call) connect() Outcome {
	if c.method != http.MethodGet || c.rawPath != "/" || !strings.EqualFold(c.r.Header.Get("Upgrade"), "websocket") {
		return NoRoute
	}
	c.method, c.routeKey, c.path = connectRoute, connectRoute, ""
	c.arn = c.api.String() + "/" + connectRoute
	return ""
}

// fullPath is the path with its stage, as requestContext and rawPath carry it:
// it is no part of an ARN, and $default does not stand in it.
func (c *call) fullPath() string {
	if c.stage == defaultStage {
		return c.path
	}
	return "/" + c.stage + c.path
}

func (c *call) account() string { return strings.Split(c.api.ARN, ":")[4] }

func (c *call) domain() string {
	suffix := ".amazonaws.com"
	if strings.HasPrefix(c.api.ARN, "arn:aws-cn:") {
		suffix += ".cn"
	}
	return c.api.ID() + ".execute-api." + c.api.Region() + suffix
}

// setID draws a version 4 UUID (RFC 9562), the form of API Gateway's ids.
func (c *call) setID() {
	rand.Read(c.random[:]) // never fails, crypto/rand says
	c.random[6] = c.random[6]&0x0f | 0x40
	c.random[8] = c.random[8]&0x3f | 0x80
	h := hex.EncodeToString(c.random[:])
	c.id = strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func (c *call) extendedID() string   { return base64.RawURLEncoding.EncodeToString(c.random[:11]) + "=" }
func (c *call) connectionID() string { return base64.URLEncoding.EncodeToString(c.random[5:]) }

// traceID is in X-Ray's form.
func (c *call) traceID() string {
	return fmt.Sprintf("Root=1-%08x-%s", c.at.Unix(), hex.EncodeToString(c.random[:12]))
}

func remoteAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// requestSize is what API Gateway bounds: the request line and all header
// values, in bytes.
func requestSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}
