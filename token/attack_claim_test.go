package token

import (
	"fmt"
	"strings"
	"time"

	"scopegate/internal/idp"
)

// A token for another API, or nearly for this one (RFC 8725, 2.7, 3.9; the
// cross-service relay of PortSwigger and jwt_tool; ALBeast): prefixes, suffixes,
// other spellings of the URI, lists in one string, Microsoft's own APIs.
func audienceAttacks(k *workshop) []attack {
	k.w.wantGood(k.t, k.withText("aud", apiAudience))
	k.w.wantGood(k.t, k.withText("aud", guidAudience))
	set := func(v string) string { return k.withText("aud", v) }
	rows := k.rowsOf("aud", ReasonAudience, set,
		" api://orders", "api://orders ", "api://orders/ ", "api://orders\u200b", "\ufeffapi://orders", "api://orders\u00a0", "api://orders?x=1", "api://orders#x", "api://orders/?", "api://orders/#", "api://orders/..", "api://orders/.",
		"api://orders/v1", "api://orders/.default", "api://orders/orders.read", "api://orders///", "//orders", "api:/orders", "api:///orders", "api:orders", "orders", "apiorders", "API://orders", "api://Orders", "api://ORDERS/", "https://orders", "spn:api://orders",
		"api%3A%2F%2Forders", "api://orders%2F", "api://%6frders", "api://orders%00", "api://orders\\", "api://evil@orders", "api://orders@evil", "api://orders:443", "api://x/api://orders", "api://orders,api://x", "api://x,api://orders", "api://orders api://x",
		"api://ord\u0435rs", "api://оrders", "ａｐｉ://orders", "api://ordeｒs", "api://orderſ", "apı://orders", "api://xn--orders", "*", "api://*", "api://order?", ".*", "api://ord", "i://orders", "", "null",
		guidAudience+"/", guidAudience+" ", guidAudience+"0", guidAudience[1:], "{"+guidAudience+"}", strings.ReplaceAll(guidAudience, "-", ""), "spn:"+guidAudience, "api://"+guidAudience, "urn:uuid:"+guidAudience, "00000000-0000-0000-0000-000000000000",
		"https://graph.microsoft.com", "https://graph.microsoft.com/", "00000002-0000-0000-c000-000000000000", "https://management.azure.com/", "https://management.core.windows.net/", "https://vault.azure.net", "api://AzureADTokenExchange",
		"00000003-0000-0ff1-ce00-000000000000/host@realm", "https://login.example/"+k.w.idp.TenantID()+"/oauth2/v2.0/token", idp.DefaultAppID)
	rows = append(rows, k.rowsOf("aud is", ReasonAudience, func(v string) string { return k.with("aud", v) },
		`[""]`, `["api://orders api://x"]`, `["api://order","s"]`, `["api:","//orders"]`, `["API://ORDERS","https://orders"]`, `[" api://orders"]`, `["*"]`)...)
	return append(rows, k.rowsOf("aud of type", ReasonClaimType, func(v string) string { return k.with("aud", v) },
		`0`, `1.5`, `false`, `{"api://orders":true}`, `{"0":"api://orders","length":1}`, `[null,"api://orders"]`, `["api://orders",null]`, `["api://orders",true]`, `["api://orders",{}]`, `[["api://orders"],"api://orders"]`, `["api://orders","\u0007"]`,
		`"api://orders\n"`, `"\u0000api://orders"`, `"api://orders\u007f"`, `"api://orders\u0000.evil"`, strings.Repeat("[", 20)+`"api://orders"`+strings.Repeat("]", 20))...)
}

// An iss that a URL library, a prefix match or a lenient comparison would take for
// ours (RFC 8725, 2.8, 3.8; OpenID Connect Core, 2: compared byte by byte):
// CVE-2024-53861 (any substring), CVE-2025-30144 (a list with ours in it), envoy
// 20279 (empty), CVE-2021-21378 (an unknown issuer let through).
func issuerAttacks(k *workshop) []attack {
	authority, tid := k.w.idp.Authority(), k.w.idp.TenantID()
	host := strings.TrimPrefix(authority, "https://")
	v2 := authority + "/" + tid + "/v2.0"
	k.w.wantGood(k.t, k.withText("iss", v2))
	rows := k.rowsOf("iss", ReasonIssuer, func(v string) string { return k.withText("iss", v) },
		"https://"+host+":443/"+tid+"/v2.0", "https://"+host+":80/"+tid+"/v2.0", "https://"+host+"./"+tid+"/v2.0", "https://user@"+host+"/"+tid+"/v2.0", "https://user:pw@"+host+"/"+tid+"/v2.0", "https://@"+host+"/"+tid+"/v2.0",
		"https://"+strings.ToUpper(host)+"/"+tid+"/v2.0", "HTTPS://"+host+"/"+tid+"/v2.0", "https://xn--"+host+"/"+tid+"/v2.0", "https://www."+host+"/"+tid+"/v2.0", "https://"+host+".evil.invalid/"+tid+"/v2.0", "https://evil.invalid/"+host+"/"+tid+"/v2.0",
		"https://evil.invalid#"+v2, "https://evil.invalid?"+v2, "https://evil.invalid/?iss="+v2, "https://"+host+"@evil.invalid/"+tid+"/v2.0", "https://"+host+"\\@evil.invalid/"+tid+"/v2.0", "https://"+host+"%2f.evil.invalid/"+tid+"/v2.0", "https://lоgin.example/"+tid+"/v2.0", "https://login\u3002example/"+tid+"/v2.0",
		authority+"//"+tid+"/v2.0", authority+"/./"+tid+"/v2.0", authority+"/x/../"+tid+"/v2.0", authority+"/"+otherTenant+"/../"+tid+"/v2.0", authority+"/"+tid+"/x/../v2.0", authority+"/"+tid+"%2Fv2.0", authority+"/"+tid+"//v2.0", authority+"/"+tid+"/v2%2E0", authority+"/"+tid+"/V2.0", authority+"/"+tid+"/v2.0/.", authority+"/"+tid+"/v2.0?",
		v2+"#", v2+"?x", v2+";x", v2+"//", v2+" ", " "+v2, v2+"\u200b", "\ufeff"+v2, v2+","+v2, v2+" "+v2, v2[:len(v2)-1], v2[1:], v2+"0", "h", "https", "https://", "https://"+host, authority+"/", authority+"/"+tid, authority+"/"+tid+"/", tid, "/"+tid+"/v2.0", "v2.0",
		strings.TrimPrefix(v2, "https:"), strings.TrimPrefix(v2, "https://"), "http:"+strings.TrimPrefix(v2, "https:"), authority+"/"+tid+"/v1.0", authority+"/{"+tid+"}/v2.0", authority+"/{tenant}/v2.0", authority+"/"+strings.ReplaceAll(tid, "-", "")+"/v2.0", authority+"/organizations/v2.0", authority+"/consumers/v2.0", authority+"/contoso.onmicrosoft.com/v2.0",
		authority+"/"+msaTenant+"/v2.0", k.w.idp.STS()+"/"+tid, k.w.idp.STS()+"/"+tid+"//", k.w.idp.STS()+"/common/", k.w.idp.STS()+"/"+otherTenant+"/", DefaultAuthority+"/"+tid+"/v2.0", DefaultSTS+"/"+tid+"/", "https://login.microsoftonline.us/"+tid+"/v2.0", "self", "null", "*", "https://self-issued.me/v2",
		"00000003-0000-0ff1-ce00-000000000000@"+tid, idp.DefaultAppID, "https://accounts.google.com", strings.Repeat("a", 3000))
	rows = append(rows, k.rowsOf("iss is", ReasonClaimType, func(v string) string { return k.with("iss", v) },
		`["`+v2+`"]`, `["https://evil.invalid","`+v2+`"]`, `{"`+v2+`":true}`, `{"0":"`+v2+`"}`, `true`, `0`, `null`, `"`+v2+`\u0000"`, `"`+v2+`\n"`, `"\t`+v2+`"`, `"`+v2+`\u0000.evil.invalid"`)...)
	return append(rows, attack{"iss empty", k.with("iss", `""`), ReasonClaimMissing})
}

// Who it is: tid, oid and ver may be said in one way (Microsoft, "Secure
// applications and APIs by validating claims"). Every token is signed by the
// tenant's own key; multi-tenant mistakes (nOAuth, common endpoints) begin where
// another one's tid is let through.
func tenantAttacks(k *workshop) []attack {
	tid := k.w.idp.TenantID()
	rows := k.rowsOf("tid", ReasonTenant, func(v string) string { return k.withText("tid", v) },
		otherTenant, msaTenant, "common", "organizations", "consumers", "{tenantid}", "00000000-0000-0000-0000-000000000000", "{"+tid+"}", strings.ReplaceAll(tid, "-", ""), " "+tid, tid+" ", tid+"/", tid+"\u200b", tid+","+otherTenant, tid[1:], tid+"0", "contoso.onmicrosoft.com", "urn:uuid:"+tid, "*", "null",
		strings.Replace(tid, "1", "１", 1), strings.Replace(tid, "-", "\u2010", 1))
	rows = append(rows, k.rowsOf("tid is", ReasonClaimType, func(v string) string { return k.with("tid", v) }, `["`+tid+`"]`, `{"tid":"`+tid+`"}`, `0`, `false`, `"`+tid+`\u0000"`, `"`+tid+`\n"`)...)
	rows = append(rows, k.rowsOf("oid", ReasonClaimType, func(v string) string { return k.withText("oid", v) },
		"{"+idp.DefaultObjectID+"}", strings.ReplaceAll(idp.DefaultObjectID, "-", ""), " "+idp.DefaultObjectID, idp.DefaultObjectID+" ", idp.DefaultObjectID+":x", idp.DefaultObjectID+"\n", "x\n"+idp.DefaultObjectID, "*", "admin@contoso.example", idp.DefaultObjectID[1:], "ａ"+idp.DefaultObjectID[1:], "g"+idp.DefaultObjectID[1:], "../"+idp.DefaultObjectID)...)
	rows = append(rows, k.rowsOf("oid is", ReasonClaimType, func(v string) string { return k.with("oid", v) }, `["`+idp.DefaultObjectID+`"]`, `0`, `{"oid":1}`)...)
	rows = append(rows, k.rowsOf("ver", ReasonVersion, func(v string) string { return k.withText("ver", v) }, "2", "2.", "02.0", "2.0 ", " 2.0", "2.0.0", "2,0", "２.0", "3.0", "0", "1.0", "1", "latest", "V2.0", "2.0\u200b", "hashedprooftoken")...)
	rows = append(rows, k.rowsOf("ver is", ReasonClaimType, func(v string) string { return k.with("ver", v) }, `2.0`, `2`, `["2.0"]`, `{"2.0":1}`, `"2.0\u0000"`)...)
	for _, name := range []string{"tid", "oid", "ver"} {
		rows = append(rows, attack{name + " empty", k.with(name, `""`), ReasonClaimMissing})
	}
	return rows
}

// Grants of another type or with control characters, which one reader splits and
// another keeps (RFC 6749, 3.3: only the space separates; RFC 8725, 3.10).
func listAttacks(k *workshop) []attack {
	rows := k.rowsOf("scp is", ReasonClaimType, func(v string) string { return k.with("scp", v) },
		`["orders.read"]`, `["orders.read","orders.admin"]`, `[]`, `{"orders.read":true}`, `0`, `false`, `"orders.read\norders.admin"`, `"orders.read\rorders.admin"`, `"orders.read\u000borders.admin"`, `"orders.read\forders.admin"`, `"orders.read\u0000"`,
		`"orders.read\u001forders.admin"`, `"orders.read\u007f"`, `"\borders.read"`, `"\u001b[2K"`)
	for _, name := range []string{"roles", "groups"} {
		rows = append(rows, k.rowsOf(name+" is", ReasonClaimType, func(v string) string { return k.with(name, v) },
			`"Admin"`, `"Reader Admin"`, `""`, `null`, `0`, `1`, `true`, `false`, `{}`, `{"0":"Admin","length":1}`, `[["Admin"]]`, `["Reader",["Admin"]]`, `[{"value":"Admin"}]`, `[1]`, `[null]`, `[true]`, `["Reader",null]`, `["Reader",1.5]`, `["Admin\n"]`, `["\u0000Admin"]`, `["Ad\u007fmin"]`, `["a\tb"]`)...)
	}
	rows = append(rows, k.rowsOf("_claim_names is", ReasonClaimType, func(v string) string { return k.with("_claim_names", v) },
		`null`, `0`, `true`, `[]`, `["groups"]`, `"groups"`, `{"groups":"a","groups":"b"}`, `{"groups":"a","\u0067roups":"b"}`)...)
	rows = append(rows, k.rowsOf("sub is", ReasonClaimType, func(v string) string { return k.with("sub", v) }, `["a"]`, `0`, `"a\n"`, `"a\u0000b"`, `{"sub":"a"}`)...)
	rows = append(rows, k.rowsOf("azp is", ReasonClaimType, func(v string) string { return k.with("azp", v) }, `["`+idp.DefaultAppID+`"]`, `0`, `{"azp":1}`, `"a\n"`)...)
	rows = append(rows, k.rowsOf("idtyp is", ReasonClaimType, func(v string) string { return k.with("idtyp", v) }, `["user"]`, `0`, `null`, `true`, `{}`, `"user\u0000"`)...)
	rows = append(rows, k.rowsOf("idtyp", ReasonKind, func(v string) string { return k.with("idtyp", v) }, `"app"`, `"App"`, `"USER"`, `"user "`, `"device"`, `"service"`, `"uѕer"`, `"user,app"`)...)
	groups := make([]string, 200) // Entra's most in a token; more than 8 KB, and more than API Gateway lets through
	for i := range groups {
		groups[i] = fmt.Sprintf("0f0f0f0f-0000-4000-8000-%012d", i)
	}
	rows = append(rows, attack{"two hundred groups", mint(k.t, k.w.idp, idp.Spec{Scopes: []string{"orders.read"}, Groups: groups}), ReasonTooLarge})
	return append(rows, k.rowsOf("neither grant, scp is", ReasonPurpose, func(v string) string {
		return k.payload(k.w.claimsJSON(k.t, idp.Spec{}, map[string]string{"scp": v, "roles": `[]`}))
	}, `""`, `" "`, `"     "`)...)
}

// A life that is over, not begun, endless or none at all (RFC 8725, 3.10; PortSwigger's
// and OWASP's tokens that never expire). The bounds are those of newWorld's clock.
func lifeAttacks(k *workshop) []attack {
	now := k.w.clock.Now().Unix()
	at := func(iat, nbf, exp int64) string {
		return k.payload(k.w.claimsJSON(k.t, k.spec, map[string]string{"iat": fmt.Sprint(iat), "nbf": fmt.Sprint(nbf), "exp": fmt.Sprint(exp)}))
	}
	life := int64(MaxLife / time.Second)
	k.w.wantGood(k.t, at(now, now, now+3600))
	k.w.wantGood(k.t, at(now+60, now+60, now+61))
	k.w.wantGood(k.t, at(now-life+60, now, now+60))
	k.w.wantGood(k.t, at(now-100, now-100, now-59))
	return []attack{
		{"exp one", at(now, now, 1), ReasonExpired},
		{"exp the skew ago", at(now-100, now-100, now-60), ReasonExpired},
		{"expired for a day", at(now-90000, now-90000, now-86400), ReasonExpired},
		{"expired, nbf and iat in the future too", at(now+3600, now+3600, now-3600), ReasonExpired},
		{"exp at the end of 32 bits", at(now, now, 1<<31-1), ReasonLifetime},
		{"exp beyond 32 bits", at(now, now, 1<<32), ReasonLifetime},
		{"exp in a hundred years", at(now, now, now+100*365*86400), ReasonLifetime},
		{"iat of 1970", at(1, now, now+60), ReasonLifetime},
		{"a second more than the longest life, nearly over", at(now-life, now, now+1), ReasonLifetime},
		{"no life at all", at(now+30, now, now+30), ReasonLifetime},
		{"a negative life within the skew", at(now+50, now, now-50), ReasonLifetime},
		{"iat in a year", at(now+365*86400, now, now+365*86400+3600), ReasonFuture},
		{"iat in the year 9999", at(maxDate-1, now, maxDate), ReasonFuture},
		{"iat a second beyond the skew", at(now+61, now, now+3600), ReasonFuture},
		{"nbf a second beyond the skew", at(now, now+61, now+3600), ReasonNotYet},
		{"nbf behind exp", at(now, now+7200, now+3600), ReasonNotYet},
	}
}
