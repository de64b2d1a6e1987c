package policy_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// TestGuardsOverTime: a denial counts exactly while it is needed, and a wider
// one that counts at another time does not stand in for it.
func TestGuardsOverTime(t *testing.T) {
	p := tabletest.Permission
	soon := tabletest.Now.Add(10 * time.Minute)
	ends := []string{"expiresAt", soon.Format(time.RFC3339)}

	later := tabletest.Table( // the depth guard of users/{id} begins when users/{id}/x/{y} ends
		p("GET", "users/{id}", "s1"), p("GET", "users/{id}/x/{y}", "s1", ends...), p("GET", "users/admin/z", "s2"),
	)
	earlier := tabletest.Table( // a/?*/?* ends with a/{p+}
		p("GET", "a/{p+}", "s1", ends...), p("GET", "a/{x}/{y}", "s2"), p("GET", "a/{x}/b", "s1"), p("GET", "a/k/b", "s2"),
	)
	for _, c := range []struct {
		name, method, path string
		doc                policy.Document
		at                 time.Time
		want               policy.Decision
	}{
		{"before the wide one begins", "GET", "/users/admin/z", answer(later, tabletest.Caller("s1"), "GET", "/users/1"), tabletest.Now, policy.ExplicitlyDenied},
		{"what the wide one may not touch yet", "GET", "/users/1/x/2", answer(later, tabletest.Caller("s1"), "GET", "/users/1"), soon.Add(-time.Second), policy.Allowed},
		{"when it has begun", "GET", "/users/1/x/2", answer(later, tabletest.Caller("s1"), "GET", "/users/1"), soon, policy.ExplicitlyDenied},
		{"while the wide one counts", "GET", "/a/k/b", answer(earlier, tabletest.Caller("s1"), "GET", "/a/1"), tabletest.Now, policy.ExplicitlyDenied},
		{"when it has ended", "GET", "/a/k/b", answer(earlier, tabletest.Caller("s1"), "GET", "/a/1"), soon, policy.ExplicitlyDenied},
		{"what is held is free again", "GET", "/a/1/b", answer(earlier, tabletest.Caller("s1"), "GET", "/a/1"), soon, policy.Allowed},
	} {
		if got := evaluate(c.doc, c.method, c.path, c.at); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestTheLastOfSeveralPermissionsCounts, in whatever order they come.
func TestTheLastOfSeveralPermissionsCounts(t *testing.T) {
	caller := tabletest.Caller("s1", "s2", "s3")
	minute := func(n int) string { return tabletest.Now.Add(time.Duration(n) * time.Minute).Format(time.RFC3339) }
	for _, order := range [][3]int{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} {
		table := tabletest.Table(
			tabletest.Permission("GET", "a", "s1", "expiresAt", minute(order[0])),
			tabletest.Permission("GET", "a", "s2", "expiresAt", minute(order[1])),
			tabletest.Permission("GET", "a", "s3", "expiresAt", minute(order[2])),
		)
		doc := answer(table, caller, "GET", "/a")
		if got := evaluate(doc, "GET", "/a", tabletest.Now.Add(3*time.Minute-time.Second)); got != policy.Allowed {
			t.Errorf("order %v: %v a second before the last one ends", order, got)
		}
		if got := evaluate(doc, "GET", "/a", tabletest.Now.Add(3*time.Minute)); got == policy.Allowed {
			t.Errorf("order %v: allowed when all have ended", order)
		}
	}
}

// TestThePermissionNeverOutlivesTheToken: one that expires later ends with it.
func TestThePermissionNeverOutlivesTheToken(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "a", "s1", "expiresAt", end.Add(time.Hour).Format(time.RFC3339)))
	doc := answer(table, tabletest.Caller("s1"), "GET", "/a")
	if got := evaluate(doc, "GET", "/a", end); got != policy.NotMatched {
		t.Errorf("at the token's end: %v", got)
	}
}

// TestAnEncodedLiteralIsDeniedByAKeptPolicy, each unreserved character of it, in
// both cases of its escape.
func TestAnEncodedLiteralIsDeniedByAKeptPolicy(t *testing.T) {
	const literal = "AZ09-_~.azopk"
	table := tabletest.Table(tabletest.Permission("GET", "x/{id}", "s1"), tabletest.Permission("GET", "x/"+literal, "s2"))
	doc := answer(table, tabletest.Caller("s1"), "GET", "/x/1")
	for i := range len(literal) {
		for _, digits := range []string{"0123456789ABCDEF", "0123456789abcdef"} {
			escape := "%" + string(digits[literal[i]>>4]) + string(digits[literal[i]&15])
			if got := evaluate(doc, "GET", "/x/"+literal[:i]+escape+literal[i+1:], tabletest.Now); got != policy.ExplicitlyDenied {
				t.Errorf("%s for %q: %v", escape, literal[i], got)
			}
		}
	}
	for _, value := range []string{"a%40b", "a%20b", "a%3Ab", "a%7Cb", "%C3%BC"} {
		if got := evaluate(doc, "GET", "/x/"+value, tabletest.Now); got != policy.Allowed {
			t.Errorf("%s, which a client must write so: %v", value, got)
		}
	}
}

// TestALiteralThatClientsMayEncode is denied in each of its spellings, and only
// where it is the denied one.
func TestALiteralThatClientsMayEncode(t *testing.T) {
	p := tabletest.Permission
	table := tabletest.Table(p("GET", "x/{id}", "s1"), p("GET", "x/a:b,c", "s2"), p("GET", "x/ü@", "s2"), p("GET", "x/k:l,m;n@o!p+q", "s2"))
	doc := answer(table, tabletest.Caller("s1"), "GET", "/x/1")
	for _, value := range []string{"a:b,c", "a%3Ab,c", "a%3ab%2cc", "a:b%2Cc", "a%3Ab%2Cc", "ü@", "%C3%BC@", "%c3%bc%40", "ü%40", "k:l,m;n@o!p+q", "k%3Al,m;n@o!p%2Bq"} {
		if got := evaluate(doc, "GET", "/x/"+value, tabletest.Now); got != policy.ExplicitlyDenied {
			t.Errorf("%s: %v", value, got)
		}
	}
	for _, value := range []string{"12%3A30", "me%40example", "a-b,c"} {
		if got := evaluate(doc, "GET", "/x/"+value, tabletest.Now); got != policy.Allowed {
			t.Errorf("%s: %v", value, got)
		}
	}
}

// TestAnEncodedSlashHidesNothing: where a policy protects a route, none passes;
// where it protects none, values may hold one, but for a way upwards.
func TestAnEncodedSlashHidesNothing(t *testing.T) {
	p := tabletest.Permission
	guarded := answer(tabletest.Table(p("GET", "x/{id}", "s1"), p("GET", "x/{id}/secret", "s2")), tabletest.Caller("s1"), "GET", "/x/1")
	open := answer(tabletest.Table(p("GET", "x/{id}", "s1"), p("GET", "x/me", "s1"), p("GET", "y", "s2")), tabletest.Caller("s1"), "GET", "/x/1")
	for value, wantOpen := range map[string]policy.Decision{
		"1%2Fsecret": policy.Allowed, "1%2fsecret": policy.Allowed, "%2Fx": policy.Allowed,
		"..%2Fy": policy.ExplicitlyDenied, "a%2F..%2Fy": policy.ExplicitlyDenied, "a%2f..%2f..%2fy": policy.ExplicitlyDenied, "a%2F..": policy.ExplicitlyDenied,
		"%2E%2e%2Fy": policy.ExplicitlyDenied,
	} {
		if got := evaluate(guarded, "GET", "/x/"+value, tabletest.Now); got != policy.ExplicitlyDenied {
			t.Errorf("%s beside a protected route: %v", value, got)
		}
		if got := evaluate(open, "GET", "/x/"+value, tabletest.Now); got != wantOpen {
			t.Errorf("%s: %v, want %v", value, got, wantOpen)
		}
	}
}

// TestTheInvokingDenyHoldsNothingThatIAMReads: neither wildcards nor the start
// of a policy variable.
func TestTheInvokingDenyHoldsNothingThatIAMReads(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "x/{id}", "s1"))
	const path = "/y/${aws:userid}*"
	doc := answer(table, tabletest.Caller("s1"), "GET", path)
	last := doc.Statement[len(doc.Statement)-1]
	if strings.ContainsAny(last.Resource[0], "*${") || evaluate(policy.Document{Statement: []policy.Statement{last}}, "GET", path, tabletest.Now) != policy.ExplicitlyDenied {
		t.Errorf("the Deny is %q", last.Resource[0])
	}
}

// TestAPolicyLooksAheadAsFarAsItSays: of many ends it looks at some, is sound and
// complete until then, allows nothing later, and is due to be made anew before.
func TestAPolicyLooksAheadAsFarAsItSays(t *testing.T) {
	var list []mapping.Permission
	for i := range 20 {
		at := tabletest.Now.Add(time.Duration(i+1) * time.Minute)
		list = append(list, tabletest.Permission("GET", "job-"+strconv.Itoa(i), "s1", "expiresAt", at.Format(time.RFC3339)))
	}
	table := tabletest.Table(append(list, tabletest.Permission("GET", "users/{id}", "s1"))...)
	caller := tabletest.Caller("s1")
	c := policy.Prepare(table).Compile(table.Held(caller, tabletest.Now), tabletest.Now, 0)
	doc := c.Document(policy.Request{ARN: arn("GET", "/users/1"), End: end})
	const cut = 6 * time.Minute // the sixth end
	for later := time.Duration(0); later < 25*time.Minute; later += 30 * time.Second {
		for _, path := range []string{"/users/1", "/job-0", "/job-4", "/job-7", "/job-19"} {
			at := tabletest.Now.Add(later)
			want := later < cut && table.Permits(caller, "GET", path, at)
			if got := evaluate(doc, "GET", path, at) == policy.Allowed; got != want {
				t.Errorf("%s after %v: allowed %v, want %v", path, later, got, want)
			}
		}
	}
	if c.Renew(tabletest.Now.Add(cut/2)) || !c.Renew(tabletest.Now.Add(cut/2+time.Second)) {
		t.Error("it is due to be made anew when half of the time is over")
	}
	far := tabletest.Table(tabletest.Permission("GET", "users/{id}", "s1", "expiresAt", tabletest.Now.Add(1000*time.Hour).Format(time.RFC3339)))
	if c := policy.Compile(far, far.Held(caller, tabletest.Now), tabletest.Now); c.Renew(tabletest.Now.Add(29 * time.Hour)) {
		t.Error("an end far away makes a policy due before a token's life is over")
	}
}
