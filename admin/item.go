package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

// Item is a permission as it is shown: the wire format, and what is known of it.
type Item struct {
	ARN           string `json:"arn" doc:"ARN of the API, without stage"`
	Stage         string `json:"stage"`
	HTTPVerb      string `json:"httpVerb"`
	Resource      string `json:"resource"`
	Scope         string `json:"scope,omitempty" doc:"One or several, separated by spaces, all needed"`
	Role          string `json:"role,omitempty"`
	Group         string `json:"group,omitempty"`
	PrincipalType string `json:"principalType,omitempty"`
	Tenant        string `json:"tenant,omitempty"`
	Authenticated bool   `json:"authenticated,omitempty"`
	Registered    bool   `json:"registered,omitempty"`
	ExpiresAt     string `json:"expiresAt,omitempty"`
	Description   string `json:"description,omitempty"`

	store.Stamp
	ID      string `json:"id" doc:"Hash of API, verb, resource and requirements"`
	Expired bool   `json:"expired" doc:"Whether expiresAt has passed: nobody holds it any more"`
	ETag    string `json:"etag" doc:"For If-Match: of this permission, not of its table"`
}

// item shows a permission at an instant.
func item(p mapping.Permission, stamp store.Stamp, now time.Time) (Item, error) {
	var i Item
	b, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(b, &i)
	}
	if err != nil {
		return i, fmt.Errorf("write permission %s: %w", p.ID(), err)
	}
	i.ID, i.ETag, i.Stamp = p.ID(), itemTag(b), stamp
	i.Expired = !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt)
	return i, nil
}

// itemTag is a strong ETag of a permission's wire format, expiresAt and
// description included (RFC 9110, 8.8.3).
func itemTag(wire []byte) string {
	sum := sha256.Sum256(wire)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// itemURL is where a permission is found.
func itemURL(p mapping.Permission) string {
	return "/v1/permissions/" + p.ID() + "?" + url.Values{"arn": {p.API.ARN}, "stage": {p.API.Stage}}.Encode()
}
