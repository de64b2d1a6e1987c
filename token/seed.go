package token

import (
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4/json"
)

// maxSeed bounds the keys that are given with the settings, in bytes.
const maxSeed = 1 << 20

// seed gives the issuers the keys of Config.Keys, which is either one JWK set as
// an issuer publishes it, where only one tenant or one issuer is configured, or
// an object of issuer -> JWK set. A tenant's v1 issuer takes the keys of its v2
// issuer where it has none of its own: Entra signs both alike.
//
// Such keys are as good as fetched ones for a day from the start, and a fetch is
// due from the start: they bridge the time in which the provider is not reached.
func (f *faults) seed(raw []byte, list []*issuer) {
	if len(raw) == 0 || len(list) == 0 {
		return
	}
	if len(raw) > maxSeed {
		f.add("Keys (OIDC_JWKS_FILE): %d bytes are more than %d", len(raw), maxSeed)
		return
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(raw, &document); err != nil || document == nil {
		f.add("Keys (OIDC_JWKS_FILE): must be a JSON object: a JWK set, or issuers with a JWK set each, none twice")
		return
	}
	sets := document
	if _, plain := document["keys"]; plain {
		if !ofOne(list) {
			f.add(`Keys (OIDC_JWKS_FILE): must be {"issuer": {"keys": [...]}, ...}: several issuers are configured, and a key of one must never verify a token of another`)
			return
		}
		sets = map[string]json.RawMessage{list[0].iss: raw}
	}
	f.deal(sets, list)
}

// deal hands each set to its issuer.
func (f *faults) deal(sets map[string]json.RawMessage, list []*issuer) {
	for _, is := range list {
		set, ok := sets[is.iss]
		if !ok && is.entra() {
			set, ok = sets[is.v2]
		}
		if !ok {
			continue // its keys are fetched
		}
		keys, usable := parseKeys(set, is.algorithms, is.keyMaySign)
		if !usable {
			f.add("Keys (OIDC_JWKS_FILE): no usable key of %s: RSA of %d bits or more, or what its algorithms need, with a kid", is.iss, minKeyBits)
			continue
		}
		is.given = keys
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		if !slices.ContainsFunc(list, func(is *issuer) bool { return is.iss == name }) {
			f.add("Keys (OIDC_JWKS_FILE): %q is no configured issuer (of a tenant: {authority}/{tenant}/v2.0)", name)
		}
	}
}

// ofOne reports whether all issuers are one tenant's, or there is one only.
func ofOne(list []*issuer) bool {
	return !slices.ContainsFunc(list, func(is *issuer) bool {
		return is.tenant != list[0].tenant || !is.entra() && is != list[0]
	})
}
