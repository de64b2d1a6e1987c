package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4/json"
)

// MaxKeysBytes bounds Config.Keys: what an issuer publishes takes 20 KB.
const MaxKeysBytes = 1 << 20

// seed gives the issuers the keys of Config.Keys, which is either one JWK set as
// an issuer publishes it, where only one tenant or one issuer is configured, or
// an object of issuer -> JWK set. A tenant's v1 issuer takes the keys of its v2
// issuer where it has none of its own: Entra signs both alike.
//
// Such keys are as good as fetched ones for a day from the start, and a fetch is
// due from the start: they bridge the time in which the provider is not reached.
func seed(raw []byte, list []*issuer) (faults []error) {
	if len(raw) == 0 || len(list) == 0 {
		return nil
	}
	if len(raw) > MaxKeysBytes {
		return []error{fmt.Errorf("must hold at most %d bytes", MaxKeysBytes)}
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(raw, &document); err != nil || len(document) == 0 {
		return []error{errors.New("must be a JSON object: a JWK set, or issuers with a JWK set each, none twice")}
	}
	sets := document
	if _, plain := document["keys"]; plain {
		if !ofOne(list) {
			return []error{errors.New(`must be {"issuer": {"keys": [...]}, ...}: several issuers are configured, and a key of one must never verify a token of another`)}
		}
		sets = map[string]json.RawMessage{list[0].iss: raw}
	}
	return deal(sets, list)
}

// deal hands each set to its issuer.
func deal(sets map[string]json.RawMessage, list []*issuer) (faults []error) {
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		i := slices.IndexFunc(list, func(is *issuer) bool { return is.iss == name })
		if i < 0 {
			faults = append(faults, fmt.Errorf("names %q, which is no configured issuer (of a tenant: {authority}/{tenant}/v2.0)", name))
			continue
		}
		if list[i].give(sets[name]); list[i].given == nil {
			faults = append(faults, fmt.Errorf("must hold a key of %s that is usable: public, with a kid, RSA of %d bits or more or what its algorithms need", name, minKeyBits))
		}
	}
	for _, is := range list {
		if set, ok := sets[is.v2]; ok && is.given == nil && is.iss != is.v2 && sets[is.iss] == nil {
			is.give(set)
		}
	}
	return faults
}

// give takes over a set that has a usable key.
func (is *issuer) give(set []byte) {
	if keys, usable := parseKeys(set, is.algorithms, is.keyMaySign); usable {
		is.given = keys
	}
}

// ofOne reports whether all issuers are one tenant's, or there is one only.
func ofOne(list []*issuer) bool {
	return !slices.ContainsFunc(list, func(is *issuer) bool {
		return is.tenant != list[0].tenant || !is.entra() && is != list[0]
	})
}

// CheckKeys says what is wrong with Keys alone, one error for each fault; the
// other settings must be right.
func (c Config) CheckKeys() []error {
	keys := c.Keys
	c.Keys = nil
	list, err := c.issuers()
	if err != nil {
		return nil
	}
	return seed(keys, list)
}
