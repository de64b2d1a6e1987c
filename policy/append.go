package policy

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"time"
)

// Append appends the minified JSON of [Kept.Document] to dst, byte for byte as
// encoding/json writes it with < > & standing as they are, and returns the longer
// slice. It allocates nothing beyond dst's growth, once it has been asked for a
// token that ends before a permission does; an ExplicitDeny and a policy that is
// too large go by way of the Document.
func (c *Kept) Append(dst []byte, r Request) []byte {
	if q := c.ready; q != nil && !r.ExplicitDeny {
		if r.Denied && !deniable(r.ARN) {
			return append(dst, denyAllText...)
		}
		end := c.end(r)
		if w := q.text(end); w.text != "" {
			return w.appendDocument(dst, r, end)
		}
	}
	return appendSlowly(dst, c.Document(r))
}

// appendSlowly is what Append is measured by.
func appendSlowly(dst []byte, doc Document) []byte {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		panic(err) // strings and maps of strings can always be written
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// Decide says what [Evaluate] says of [Kept.Document] for the request's own
// ARN, from an address that is not known. It reads the rules that [Kept.Append]
// writes, one by one, but looks at those alone that can match. It allocates
// nothing but where Append does.
func (c *Kept) Decide(r Request, now time.Time) Decision {
	q := c.ready
	if q == nil || r.ExplicitDeny {
		return Evaluate(c.Document(r), r.ARN, now, netip.Addr{})
	}
	end := c.end(r)
	if !writable(end) {
		return Evaluate(c.Document(r), r.ARN, now, netip.Addr{})
	}
	if r.Denied {
		return ExplicitlyDenied // by its own ARN, which it matches with every ? in it, or by the Deny of everything
	}
	return q.decide(r.ARN, now, end)
}

// AppendDenyAll appends the minified JSON of [DenyAll].
func AppendDenyAll(dst []byte) []byte { return append(dst, denyAllText...) }
