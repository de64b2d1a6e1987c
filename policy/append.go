package policy

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"time"
)

// Append appends the minified JSON of [Compiled.Document] to dst and returns the
// longer slice. < > & stand as they are.
func (c *Compiled) Append(dst []byte, r Request) []byte {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c.Document(r)); err != nil {
		panic(err) // strings and maps of strings can always be written
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// Decide says what [Evaluate] says of [Compiled.Document] for the request's own
// ARN, from an address that is not known.
func (c *Compiled) Decide(r Request, now time.Time) Decision {
	return Evaluate(c.Document(r), r.ARN, now, netip.Addr{})
}
