// Package reasons says in a sentence what each reason of a decision means and
// what to do about it. In goes the reason's text, as logs, metrics and
// explanations carry it; out comes the sentence. docs/reasons.md is made of it.
// The authorizer does not link it.
package reasons

import "strings"

// Of is the sentence of a reason, "" for what is none.
func Of(reason string) string {
	for _, g := range groups {
		for _, e := range g.entries {
			if e.reason == reason {
				return e.meaning
			}
		}
	}
	return ""
}

type group struct {
	title, intro string
	entries      []entry
}

type entry struct{ reason, meaning string }

// Markdown is docs/reasons.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Reasons\n\nThe field `reason` of the log's decisions, of `scopegate explain` and, for refused tokens, the dimension of the metric\n`TokenRefused`. The set is fixed.\n")
	for _, g := range groups {
		b.WriteString("\n## " + g.title + "\n\n" + g.intro + "\n\n| reason | |\n|---|---|\n")
		for _, e := range g.entries {
			b.WriteString("| `" + e.reason + "` | " + e.meaning + " |\n")
		}
	}
	return b.String()
}

var groups = []group{
	{"Allowed", "The policy allows the call (200, or whatever the service answers).", []entry{
		{"held_route", "A held permission names the route."},
		{"held_pattern", "A held pattern matches the path."},
	}},
	{"Denied", "The token is good, the caller may not do this (403).", []entry{
		{"not_held", "The route is known, and the caller holds none of its permissions. With `groupsUnknown` in the log line: the token does not list the caller's groups (overage), so that none that needs a group is held; assign groups to the application, or use app roles."},
		{"no_route", "No route and no held pattern is known for the path. Import the route's permission."},
		{"unknown_method", "The method is none of the seven of HTTP that mappings may name, or $connect."},
		{"malformed_path", "The path has an empty inner segment, or a . or .. segment, plain or encoded."},
		{"slash_spelling", "The path ends with a / and the held route does not. A mapping written with the / opens that spelling."},
		{"other_reading", "Percent-decoded, the path is one of a route that the caller does not hold."},
		{"unknown_api", "There is no table for this API and stage. Import its permissions; the stage counts by its case."},
		{"untrusted", "The table does not trust the token's tenant, issuer or audience: see its trust list."},
		{"template_mismatch", "API Gateway chose another known route for the path than the table does, as encoded slashes make it."},
		{"collision", "The mapping permits the call, but a Deny that the policy needs matches the path too: see `scopegate explain --report`."},
	}},
	{"Unauthorized: no token, or its form", "The token is refused before any cryptography (401, or 403 with `INVALID_TOKEN=deny`).", []entry{
		{"no_token", "The request has no Authorization value."},
		{"several_authorization_values", "The request has more than one Authorization value. None is chosen."},
		{"not_bearer", "The Authorization value is of another scheme than Bearer."},
		{"bearer_malformed", "Behind Bearer there is not exactly one token: something is missing, there twice, or quoted."},
		{"too_large", "The token is longer than 8 KB. With Entra, groups are the usual cause: assign them to the application, or use app roles."},
		{"not_compact", "This is no signed JWT of three parts: an opaque token, an encrypted one (JWE), or one cut off."},
		{"bad_base64", "A part is not base64url in its one canonical spelling: the token was changed on its way, or is a forgery."},
		{"header_malformed", "The token's header is no JSON object of strings, names a member twice, or is longer than 1 KB."},
		{"header_member", "The header has another member than typ, alg, kid and x5t. Those of forgeries bring their own key."},
		{"graph_token", "The token is meant for Microsoft Graph (nonce in its header), and nobody else can verify it: the client must ask for a scope of this API."},
		{"typ", "The header's typ is that of another kind of token, such as a logout token or a proof."},
		{"alg", "The token is not signed with RS256, or with what `OIDC_ALGORITHMS` allows its issuer."},
		{"kid_missing", "The header names no key (kid). Entra always names one."},
		{"kid_malformed", "The header's kid is longer than any real one, or not printable."},
		{"signature_length", "The signature has a length that no accepted key can give: it was cut off, or there is none."},
	}},
	{"Unauthorized: what the token says", "The token is well-formed and refused (401, or 403 with `INVALID_TOKEN=deny`, but for what may be otherwise in a moment: `not_yet_valid`, `issued_in_future`, and `key_unknown` where the issuer was not asked).", []entry{
		{"payload_malformed", "The claims are no JSON object in UTF-8, name one twice, nest deeper than 32, or are more than 128."},
		{"claim_twin", "A claim's name equals a known one but for its case; other parsers would take it for that."},
		{"claim_type", "A claim is of another JSON type than it must be, a time is no plain integer, an identifier holds control characters, or lists are too long (512 scopes, roles and groups together, 128 audiences)."},
		{"claim_missing", "A claim is missing that every access token of its issuer has."},
		{"issuer_unknown", "The issuer is not configured: a tenant that is not in `ENTRA_TENANT_IDS`, or an issuer that is not in `OIDC_ISSUERS`, byte by byte."},
		{"key_unknown", "The issuer publishes no key of this kid. While many unknown kids come in, it is asked twice in five minutes only."},
		{"key_issuer", "The key is published, but for another issuer."},
		{"key_alg", "The key is for another algorithm than the token names."},
		{"signature", "The token is not signed by the key it names: a forgery, or changed on its way."},
		{"oidc_library", "go-oidc refused what our own rules let through, such as claims that point to a source which is not there."},
		{"version", "The claim ver does not fit the issuer (v1 or v2)."},
		{"tenant", "The claim tid is not the issuer's tenant."},
		{"audience", "The token is for another API: none of its audiences is in `OIDC_AUDIENCES`. v2 tokens name the API's client id, v1 tokens its App ID URI."},
		{"expired", "The token has ended. Clients get a new one before they call."},
		{"not_yet_valid", "The token is not valid yet: a clock is wrong by more than `CLOCK_SKEW`."},
		{"issued_in_future", "The token was issued in the future: a clock is wrong by more than `CLOCK_SKEW`."},
		{"lifetime", "The token ends before it begins, or lives longer than 29 hours."},
		{"id_token", "This is an ID token, or another one that is no access token, or has the shape of one (it grants nothing and is for the client that got it): the client sent the wrong one."},
		{"no_scope_no_role", "The token has neither scp nor roles: the client has no permission of this API, or did not ask for any."},
		{"kind_contradicted", "The token says of itself that it is an app's and a user's: idtyp against scp, or no scope beside a blank scp or a user's name (upn, unique_name, preferred_username)."},
		{"revoked", "The principal's tokens were revoked, and this one was issued before that, or within `CLOCK_SKEW` after it. A new token opens what the old one did."},
		{"unspecified", "No reason was given. Please report it."},
	}},
	{"Failed", "Nothing was decided (500, never cached). Alarm on these.", []entry{
		{"keys_unavailable", "The issuer's keys cannot be had or none is usable. The field `cause` says how: `discovery_unavailable`, `keys_unavailable` or `canceled`."},
		{"discovery_unavailable", "As a cause: the issuer's discovery document cannot be had or is not usable."},
		{"canceled", "As a cause: the call ended while it waited for the issuer's keys."},
		{"table_unavailable", "DynamoDB fails, and the table that was kept is too old or there is none."},
		{"revocations_unavailable", "DynamoDB fails, and it is not known whose tokens were revoked: the list was never read, or is older than `CACHE_TTL` and a minute."},
		{"policy_too_large", "What the caller holds does not fit into API Gateway's limit, whatever is given up. `scopegate lint` says what to do."},
		{"policy_unsound", "The finished policy would have allowed what the mapping denies. It was thrown away. Please report it."},
		{"bad_event", "The event is none of API Gateway's, or of a kind that no authorizer gets."},
		{"token_not_in_identity_source", "The HTTP API's identity sources leave the token out: its cache would hand one caller's answer to another."},
		{"simple_response_needs_payload_2.0", "`HTTP_API_RESPONSE=simple` needs payload format 2.0."},
		{"simple_response_needs_route_key_in_identity_source", "`HTTP_API_RESPONSE=simple` needs `$context.routeKey` among the identity sources."},
		{"simple_response_needs_whole_route_key", "The caller holds a part of what the route key stands for; true would open all of it."},
		{"internal_error", "A bug. Please report it with the log line."},
	}},
}
