package promise_test

import (
	"net/http"
	"testing"
	"time"

	"scopegate/internal/flush"
	"scopegate/internal/idp"
	"scopegate/internal/leaktest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	leaktest.Exit(code)
}

const table = "/v1/apis/rz8w6b1ik2/dev"

// change is one way to take a caller's access away.
type change struct {
	name   string
	make   func(*world) flush.Result
	status int          // of the caller's requests afterwards
	before func(*world) // what was there before the caller's permission; may be nil
}

// permission is the path of the only permission.
func (w *world) permission() string {
	w.t.Helper()
	s, err := w.store.Load(w.t.Context(), api)
	w.must(err)
	return "/v1/permissions/" + s.Permissions[0].ID() + "?arn=" + api.ARN + "&stage=dev"
}

var changes = []change{
	{"revoke the principal", func(w *world) flush.Result {
		return w.edit(http.MethodPut, "/v1/revocations/"+w.provider.TenantID()+":"+objectID(1), func(r map[string]any) {
			clear(r)
			r["reason"] = "left"
		})
	}, http.StatusUnauthorized, nil},
	{"remove the permission", func(w *world) flush.Result {
		return w.edit(http.MethodDelete, w.permission(), nil)
	}, http.StatusForbidden, nil},
	{"shorten expiresAt", func(w *world) flush.Result {
		return w.edit(http.MethodPut, w.permission(), func(p map[string]any) {
			p["expiresAt"] = w.now().Add(2 * time.Second).Format(time.RFC3339)
		})
	}, http.StatusForbidden, nil},
	{"replace the document", func(w *world) flush.Result {
		return w.edit(http.MethodPut, table+"/document", func(d map[string]any) {
			p := d["permissions"].([]any)[0].(map[string]any)
			for name := range p {
				switch name {
				case "arn", "stage", "httpVerb", "resource":
				default:
					delete(p, name)
				}
			}
			p["scope"] = "orders.admin"
		})
	}, http.StatusForbidden, nil},
	{"delete the API", func(w *world) flush.Result {
		return w.edit(http.MethodDelete, table, nil)
	}, http.StatusForbidden, nil},
	{"restore an earlier table", func(w *world) flush.Result {
		list, err := w.store.Audit(w.t.Context(), api, "", 2)
		w.must(err)
		return w.edit(http.MethodPost, table+"/restore", func(r map[string]any) {
			clear(r)
			r["revision"] = list[1].After.String()
		})
	}, http.StatusForbidden, func(w *world) { w.permit("orders.admin") }},
	{"trust another tenant", func(w *world) flush.Result {
		return w.edit(http.MethodPut, table, func(a map[string]any) {
			for name := range a {
				if name != "arn" {
					delete(a, name)
				}
			}
			a["trust"] = []any{map[string]any{"tenant": "9188040d-6c67-4c5b-b112-36a304b66dad", "audiences": []string{w.provider.Audience()}}}
		})
	}, http.StatusForbidden, nil},
}

// When the change is made, and when the other instance is asked: between the
// write and the end of its CACHE_TTL.
const (
	changedAt = 10 * time.Second
	askedAt   = 25 * time.Second
	flushedAt = changedAt + cacheTTL + flush.Settle // for the second time
	promised  = changedAt + cacheTTL + flush.Margin
)

// allowed brings caller and bystander to both gateways: the caller is allowed and
// kept, and both instances have the table.
func allowed(t *testing.T, o options, c change) (w *world, caller string) {
	t.Helper()
	w = newWorld(t, o)
	if c.before != nil {
		c.before(w)
	}
	w.grant()
	caller = w.caller(1)
	w.want("before the change", 0, caller, http.StatusOK)
	w.want("somebody else, through the other instance", 1, w.caller(2), http.StatusOK)
	calls := w.instances[0].calls.Load() + w.instances[1].calls.Load()
	w.want("kept by API Gateway", 1, caller, http.StatusOK)
	if got := w.instances[0].calls.Load() + w.instances[1].calls.Load(); got != calls {
		t.Fatalf("API Gateway keeps nothing: %d calls", got-calls)
	}
	return w, caller
}

// never checks that from now on, for longer than API Gateway keeps anything, no
// gateway allows the caller, whichever instance it asks.
func (w *world) never(caller string, status int) {
	w.t.Helper()
	from := time.Duration(w.clock.Load())
	for _, later := range []time.Duration{0, time.Second, time.Minute, 10 * time.Minute, 59 * time.Minute, 61 * time.Minute} {
		w.at(from + later)
		for instance := range w.instances {
			w.want("after effectiveBy", instance, caller, status)
		}
	}
}

// TestAfterEffectiveByNoRequestIsAllowed: the promise.
func TestAfterEffectiveByNoRequestIsAllowed(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			w, caller := allowed(t, options{}, c)
			w.at(changedAt)
			result := c.make(w)
			if result.Flush != "scheduled" || result.EffectiveBy == nil || !result.EffectiveBy.Equal(epoch.Add(promised)) {
				t.Fatalf("answered %+v", result)
			}
			w.at(askedAt)
			w.want("from the other instance's old table", 1, caller, http.StatusOK)
			w.at(flushedAt - time.Second)
			w.want("kept by API Gateway", 1, caller, http.StatusOK)
			w.at(promised)
			w.never(caller, c.status)
		})
	}
}

// TestWithoutTheSecondFlushTheOldAnswerStaysForTheAuthorizersTTL: what the test
// above would find.
func TestWithoutTheSecondFlushTheOldAnswerStaysForTheAuthorizersTTL(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			w, caller := allowed(t, options{noSecond: true}, c)
			w.at(changedAt)
			c.make(w)
			w.at(askedAt)
			w.want("from the other instance's old table", 1, caller, http.StatusOK)
			for _, later := range []time.Duration{promised, askedAt + authorizerTTL - time.Second} {
				w.at(later)
				w.want("kept by API Gateway", 0, caller, http.StatusOK)
			}
			w.at(askedAt + authorizerTTL)
			w.never(caller, c.status)
		})
	}
}

// TestTheFlushAtOnceIsWhatEndsAccessBeforeThat: nobody asks the other instance.
// With it the change counts when the first instance learns of it, without it only
// when the second flush is made.
func TestTheFlushAtOnceIsWhatEndsAccessBeforeThat(t *testing.T) {
	for _, c := range changes {
		for _, noFirst := range []bool{false, true} {
			t.Run(c.name+map[bool]string{false: "", true: ", without it"}[noFirst], func(t *testing.T) {
				w, caller := allowed(t, options{}, c)
				w.at(changedAt)
				w.client.deaf.Store(noFirst)
				c.make(w)
				w.client.deaf.Store(false)
				w.at(cacheTTL) // the instance asks the store again
				before := c.status
				if noFirst {
					before = http.StatusOK
				}
				w.want("before the second flush", 0, caller, before)
				w.at(promised)
				w.never(caller, c.status)
			})
		}
	}
}

// TestAnAdminThatDiesBeforeItsAnswerKeepsThePromise: the second flush was
// scheduled before the change was committed, and the next process makes it.
func TestAnAdminThatDiesBeforeItsAnswerKeepsThePromise(t *testing.T) {
	for _, c := range changes {
		for _, noSecond := range []bool{false, true} {
			t.Run(c.name+map[bool]string{false: "", true: ", without the second flush"}[noSecond], func(t *testing.T) {
				w, caller := allowed(t, options{dies: true, noSecond: noSecond}, c)
				w.at(changedAt)
				c.make(w)
				if n := w.client.flushes.Load(); n != 0 {
					t.Fatalf("%d flushes by a process that died", n)
				}
				w.at(askedAt)
				w.want("kept by API Gateway", 1, caller, http.StatusOK)
				w.restart()
				w.at(promised)
				if noSecond {
					w.want("kept by API Gateway", 1, caller, http.StatusOK)
					return
				}
				w.never(caller, c.status)
			})
		}
	}
}

// TestOtherCallersGoOn: a flush costs them one more call of the authorizer.
func TestOtherCallersGoOn(t *testing.T) {
	w, caller := allowed(t, options{}, changes[0])
	other := w.caller(2)
	w.at(changedAt)
	changes[0].make(w)
	for _, at := range []time.Duration{changedAt, askedAt, promised, promised + time.Minute} {
		w.at(at)
		w.want("who was not revoked", 1, other, http.StatusOK)
	}
	w.never(caller, http.StatusUnauthorized)
	fresh := w.mint(idp.Spec{Scopes: []string{"orders.read"}, ObjectID: objectID(1)})
	w.want("with a token issued afterwards", 0, fresh, http.StatusOK)
}
