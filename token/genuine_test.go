package token

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"scopegate/internal/idp"
)

func TestEveryGenuineKindOfTokenPasses(t *testing.T) {
	w := newWorld(t, 2)
	read, role, group := []string{"orders.read", "email"}, []string{"Reader"}, []string{"g1", "g2"}
	other := func(extra map[string]any) idp.Spec { return idp.Spec{Extra: extra} }
	for _, c := range []struct {
		name  string
		from  *idp.Provider
		spec  idp.Spec
		check func(Claims) bool
	}{
		{"v2 delegated", w.idp, idp.Spec{Scopes: read}, func(c Claims) bool {
			return c.Kind == KindUser && c.Version == "2.0" && slices.Equal(c.Scopes, read) && c.ID != "" &&
				c.PrincipalID() == w.idp.TenantID()+":"+idp.DefaultObjectID && c.AppID == idp.DefaultAppID && c.Subject != ""
		}},
		{"v1 delegated", w.idp, idp.Spec{Version: "1.0", Scopes: read}, func(c Claims) bool {
			return c.Kind == KindUser && c.Version == "1.0" && c.AppID == idp.DefaultAppID && c.Issuer == w.idp.STS()+"/"+w.idp.TenantID()+"/"
		}},
		{"v2 app-only", w.idp, idp.Spec{App: true, Roles: role}, func(c Claims) bool {
			return c.Kind == KindApp && slices.Equal(c.Roles, role) && c.Scopes == nil && c.ObjectID == idp.DefaultAppOID
		}},
		{"v1 app-only", w.idp, idp.Spec{Version: "1.0", App: true, Roles: role}, func(c Claims) bool { return c.Kind == KindApp }},
		{"app-only without idtyp", w.idp, idp.Spec{App: true, Roles: role, Extra: map[string]any{"idtyp": nil}}, func(c Claims) bool { return c.Kind == KindApp }},
		{"delegated with roles", w.idp, idp.Spec{Scopes: read, Roles: role}, func(c Claims) bool { return c.Kind == KindUser && slices.Equal(c.Roles, role) }},
		{"delegated with idtyp user", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"idtyp": "user"}}, func(c Claims) bool { return c.Kind == KindUser }},
		{"groups", w.idp, idp.Spec{Scopes: read, Groups: group}, func(c Claims) bool { return slices.Equal(c.Groups, group) && !c.GroupsUnknown }},
		{"groups overage", w.idp, idp.Spec{Scopes: read, GroupsOverage: true}, func(c Claims) bool { return c.Groups == nil && c.GroupsUnknown }},
		{"hasgroups", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"hasgroups": true}}, func(c Claims) bool { return c.GroupsUnknown }},
		{"hasgroups as text", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"hasgroups": "true"}}, func(c Claims) bool { return c.GroupsUnknown }},
		{"hasgroups false", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"hasgroups": false}}, func(c Claims) bool { return !c.GroupsUnknown }},
		{"another claim from elsewhere", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{
			"_claim_names": map[string]string{"photo": "s"}, "_claim_sources": map[string]any{"s": map[string]string{"endpoint": "https://x.example"}},
		}}, func(c Claims) bool { return !c.GroupsUnknown }},
		{"audience with a slash", w.idp, idp.Spec{Version: "1.0", Scopes: read, Audience: apiAudience + "/"}, func(c Claims) bool { return c.Audience == apiAudience }},
		{"audience a GUID", w.idp, idp.Spec{Scopes: read, Audience: guidAudience}, func(c Claims) bool { return c.Audience == guidAudience }},
		{"audience a list of one", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"aud": []string{apiAudience}}}, func(c Claims) bool { return c.Audience == apiAudience }},
		{"audience the second of two", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"aud": []string{"api://x", apiAudience}}}, func(c Claims) bool { return c.Audience == apiAudience }},
		{"typ at+jwt", w.idp, idp.Spec{Scopes: read, Header: map[string]any{"typ": "at+jwt"}}, nil},
		{"typ application/at+JWT", w.idp, idp.Spec{Scopes: read, Header: map[string]any{"typ": "application/at+JWT"}}, nil},
		{"typ jwt", w.idp, idp.Spec{Scopes: read, Header: map[string]any{"typ": "jwt"}}, nil},
		{"no typ", w.idp, idp.Spec{Scopes: read, Header: map[string]any{"typ": nil}}, nil},
		{"a claim we do not know", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"xms_cc": []string{"cp1"}, "Name": "x", "acrs": map[string]any{"a": []int{1}}}}, nil},
		{"no nbf", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"nbf": nil}}, func(c Claims) bool { return c.NotBefore.IsZero() }},
		{"expired less than the skew ago", w.idp, idp.Spec{Scopes: read, IssuedAt: -time.Hour - 59*time.Second}, nil},
		{"nbf less than the skew ahead", w.idp, idp.Spec{Scopes: read, NotBefore: time.Minute}, nil},
		{"iat less than the skew ahead", w.idp, idp.Spec{Scopes: read, IssuedAt: time.Minute}, nil},
		{"continuous access, 28 hours", w.idp, idp.Spec{Scopes: read, Life: 28 * time.Hour}, nil},
		{"foreign, scope a string", w.other, other(map[string]any{"scope": "a b", "scp": "c"}), func(c Claims) bool {
			return slices.Equal(c.Scopes, []string{"a", "b"}) && c.Kind == KindUnknown && c.Audience == "https://orders.example"
		}},
		{"foreign, scope a list", w.other, other(map[string]any{"scope": []string{"a", "b"}}), func(c Claims) bool { return slices.Equal(c.Scopes, []string{"a", "b"}) }},
		{"foreign, tid and oid do not count", w.other, other(map[string]any{"tid": w.idp.TenantID(), "oid": idp.DefaultObjectID, "sub": "alice", "jti": "1"}), func(c Claims) bool {
			return c.TenantID == "" && c.ObjectID == "" && c.Version == "" && c.PrincipalID() == "other.example:alice" && c.ID == "1"
		}},
		{"foreign, Keycloak's access token with a nonce", w.other, other(map[string]any{"typ": "Bearer", "nonce": "n"}), nil},
		{"a group that turns the direction of writing", w.idp, idp.Spec{Scopes: read, Groups: []string{"\u202aפיננסים\u202c"}}, func(c Claims) bool { return len(c.Groups) == 1 }},
		{"512 scopes, and spaces", w.idp, idp.Spec{Extra: map[string]any{"scp": strings.Repeat(" a ", maxList)}}, func(c Claims) bool { return len(c.Scopes) == maxList }},
		{"512 of all together", w.idp, idp.Spec{Scopes: slices.Repeat([]string{"s"}, 112), Roles: slices.Repeat([]string{"r"}, 200), Groups: slices.Repeat([]string{"g"}, 200)}, nil},
		{"128 audiences", w.idp, idp.Spec{Scopes: read, Extra: map[string]any{"aud": append(slices.Repeat([]string{"a"}, maxAudiences-1), apiAudience)}}, nil},
		{"512 roles", w.idp, idp.Spec{App: true, Roles: slices.Repeat([]string{"r"}, maxList)}, func(c Claims) bool { return len(c.Roles) == maxList }},
		{"a role without a name among others", w.idp, idp.Spec{App: true, Roles: []string{"", "Reader", ""}}, func(c Claims) bool { return slices.Equal(c.Roles, []string{"Reader"}) }},
		{"foreign, its own client among the audiences, with a scope", w.other, other(map[string]any{"azp": "web", "aud": []string{"https://orders.example", "web"}, "scope": "a"}), nil},
		{"foreign, the same by RFC 9068", w.other, other(map[string]any{"azp": "web", "client_id": "web", "aud": []string{"https://orders.example", "web"}}), nil},
		{"foreign, the same by Keycloak's typ", w.other, other(map[string]any{"azp": "web", "typ": "Bearer", "aud": []string{"https://orders.example", "web"}}), nil},
		{"foreign, a workload without a client", w.other, other(map[string]any{"azp": nil, "sub": "repo:octo/app"}), nil},
		{"foreign, Cognito's access token", w.other, other(map[string]any{"token_use": "access"}), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims, err := w.verifier.Verify(context.Background(), mint(t, c.from, c.spec))
			if err != nil {
				t.Fatal(err)
			}
			if c.check != nil && !c.check(claims) {
				t.Errorf("claims: %+v", claims)
			}
			if !claims.End.Equal(claims.Expires.Add(time.Minute)) || claims.IssuedAt.IsZero() {
				t.Errorf("times: %+v", claims)
			}
		})
	}
}

// White space is no part of JSON's meaning, escapes are no part of a name.
func TestJSONMayBeWrittenInAnyWay(t *testing.T) {
	w := newWorld(t, 2)
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"orders.read"}, Roles: []string{"Reader"}}, map[string]string{"aud": ` [ "api:\/\/orders" , "x" ] `})
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(claims), "\r\n", "\t "); err != nil {
		t.Fatal(err)
	}
	spaced := strings.NewReplacer(`: `, " \t:\n ", `"scp"`, `"\u0073cp"`).Replace(indented.String())
	head := strings.NewReplacer(`:`, " : ", `,`, " ,\n ", `"alg"`, `"\u0061lg"`).Replace(header(w.idp.KeyID()))
	got, err := w.verifier.Verify(context.Background(), signed(t, w.idp, " "+head+" ", " "+spaced+"\n"))
	if err != nil || !slices.Equal(got.Scopes, []string{"orders.read"}) || !slices.Equal(got.Roles, []string{"Reader"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// End is what policies carry as their own end: it must be the verifier's.
func TestEndIsTheInstantFromWhichTheTokenIsRefused(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	claims, err := w.verifier.Verify(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(claims.End.Sub(w.clock.Now()) - time.Nanosecond)
	w.wantGood(t, raw)
	w.clock.Advance(time.Nanosecond)
	w.wantReason(t, raw, ReasonExpired)
}

func TestTwoTenantsStandSideBySideWithKeysOfTheirOwn(t *testing.T) {
	w := newWorld(t, 2)
	second := newProvider(t, idp.Options{BaseURL: "https://login.example", TenantID: otherTenant, Audience: apiAudience, Now: w.clock.Now})
	w.net.byHost["login.example"] = byTenant{w.idp.TenantID(): w.idp, otherTenant: second}
	c := w.config()
	c.TenantIDs = []string{strings.ToUpper(w.idp.TenantID()), otherTenant}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	for _, version := range []string{"1.0", "2.0"} {
		for _, p := range []*idp.Provider{w.idp, second} {
			w.wantGood(t, mint(t, p, idp.Spec{Version: version, Scopes: []string{"a"}}))
		}
		stolen := mint(t, second, idp.Spec{Version: version, Scopes: []string{"a"}, TenantID: w.idp.TenantID()})
		w.wantReason(t, stolen, ReasonKey)
	}
}

func TestKindsHaveNames(t *testing.T) {
	for kind, want := range map[Kind]string{KindUnknown: "unknown", KindUser: "user", KindApp: "app", 9: "unknown"} {
		if kind.String() != want {
			t.Errorf("Kind(%d) is %q, want %q", kind, kind, want)
		}
	}
	if id := (Claims{}).PrincipalID(); id != "" {
		t.Errorf("the zero Claims are %q", id)
	}
}
