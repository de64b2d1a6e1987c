//go:build deploy

package deploytest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/internal/dynamotest"
	"scopegate/internal/flush"
	"scopegate/internal/idp"
	"scopegate/store"
	"scopegate/store/dynamo"
	"scopegate/store/storetest"
)

// TestRolesAllowWhatTheFunctionsDoAndNothingElse: the store's suite, a session with
// the admin API, flushes and requests, over the wire.
func TestRolesAllowWhatTheFunctionsDoAndNothingElse(t *testing.T) {
	template := Package(t, ".")
	made := recorded(t, newStack(template, "aws"))
	// What a change that breaks off leaves is cleaned away: of all calls the rarest.
	if !slices.ContainsFunc(made["admin"], func(c call) bool {
		return c.action == "dynamodb:BatchWriteItem" && strings.HasPrefix(strings.Join(c.keys[leadingKeys], ","), "auditparts#")
	}) {
		t.Error("what is recorded lacks the cleaning up of a bulk change")
	}
	for _, partition := range []string{"aws", "aws-us-gov", "aws-cn"} {
		wantNone(t, checkLeast(template, partition, in(partition, made)))
	}
	every := everything(t)
	for _, calls := range made {
		for i := range calls {
			calls[i].resource = strings.Replace(calls[i].resource, newStack(template, "aws").table(), newStack(every, "aws").table(), 1)
		}
	}
	wantNone(t, checkLeast(every, "aws", made))
}

// in are the same calls in another partition.
func in(partition string, made map[string][]call) map[string][]call {
	all := map[string][]call{}
	for function, calls := range made {
		for _, c := range calls {
			c.resource = strings.Replace(c.resource, "arn:aws:", "arn:"+partition+":", 1)
			all[function] = append(all[function], c)
		}
	}
	return all
}

// recorded are the calls of each function.
func recorded(t *testing.T, s *stack) map[string][]call {
	t.Helper()
	endpoint := dynamotest.Endpoint(t)
	made := map[string][]call{}
	var mu sync.Mutex
	t.Run("what the functions ask for", func(t *testing.T) { // returns when all of it is over
		for function, use := range map[string]func(*testing.T, *stack, *recorder, string){"authorizer": useAuthorizer, "admin": useAdmin} {
			t.Run(function, func(t *testing.T) {
				t.Parallel()
				r := newRecorder()
				t.Cleanup(func() {
					calls, problems := r.all()
					wantNone(t, problems)
					mu.Lock()
					defer mu.Unlock()
					made[function] = calls
				})
				tables := r.tables(t, endpoint, s.table())
				use(t, s, r, tables)
			})
		}
	})
	return made
}

// orders is the document of an API with n routes.
func (w *world) orders(id string, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"arn":%q,"stage":"dev","httpVerb":"GET","resource":"orders/%d","scope":"orders.%d"}`, w.arn(id), i, i))
	}
	return fmt.Sprintf(`{"arn":%q,"stage":"dev","permissions":[%s]}`, w.arn(id), strings.Join(list, ","))
}

func useAuthorizer(t *testing.T, s *stack, _ *recorder, tables string) {
	w := newWorld(t, s, tables)
	fill(t, w)
	parts := w.authorizer()
	token := w.mint(idp.Spec{Scopes: []string{"orders.7"}})
	for _, id := range []string{restID, "absent0001"} {
		if err := w.askPatiently(parts, id, token); err != nil {
			t.Fatal(err)
		}
		w.later(time.Minute) // tables are asked for again
	}
	if err := w.askPatiently(parts, restID, token); err != nil {
		t.Fatal(err)
	}
}

// fill makes a table and a revocation with another client than the function's.
func fill(t *testing.T, w *world) {
	t.Helper()
	c := client{w, w.adminAt(dynamotest.Endpoint(t), newRecorder().plane(t, w.stack)), w.adminToken()}
	c.document(restID, 20)
	c.send("PUT", "/v1/revocations/issuer.example:ada", "", `{"reason":"lost laptop"}`)
}

func (w *world) adminToken() string {
	return w.mint(idp.Spec{Scopes: []string{"Mappings.ReadWrite"}, Roles: []string{"Mappings.Admin"}})
}

// document registers an API and gives it n routes; it gives the table's ETag.
func (c client) document(id string, n int) string {
	c.w.t.Helper()
	path := "/v1/apis/" + id + "/dev"
	tag := c.send("PUT", path, "", `{"arn":"`+c.w.arn(id)+`"}`).tag()
	return c.send("PUT", path+"/document", tag, c.w.orders(id, n)).tag()
}

func (a httpAnswer) tag() string {
	for name, value := range a.Headers {
		if strings.EqualFold(name, "etag") {
			return value
		}
	}
	return ""
}

// useAdmin is all that the admin function may come to do.
func useAdmin(t *testing.T, s *stack, r *recorder, tables string) {
	useAdminAPI(t, s, r, tables)
	useStore(t, tables)
}

// useAdminAPI is a session with the admin API, and the flushes that it leads to.
func useAdminAPI(t *testing.T, s *stack, r *recorder, tables string) {
	w := newWorld(t, s, tables)
	c := client{w, w.admin(r.plane(t, s)), w.adminToken()}
	for _, id := range []string{restID, httpID, webSocketID} {
		c.document(id, 2)
	}
	c.editPermissions()
	c.editTables()
	principal := "/v1/revocations/" + url.PathEscape("issuer.example:ada")
	c.send("PUT", principal, "", `{"reason":"lost laptop"}`)
	c.send("GET", principal, "", "")
	c.send("GET", "/v1/revocations", "", "")
	c.send("DELETE", principal, c.send("GET", principal, "", "").tag(), "")
	var jobs []string
	for _, j := range []flush.Job{{ID: "all", Due: w.now()}, {ID: "one", Due: w.now(), ARN: w.arn(restID), Stage: "dev"}, {ID: "later", Due: w.now().Add(time.Hour)}} {
		b, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, string(b))
	}
	c.flush(true, jobs...)
}

// repeated are cases of the store's suite that ask for what others ask for, at every
// moment or from many sides at once: minutes, and no call that is not among the rest's.
var repeated = []string{
	"a table larger than any page is read whole",
	"the same change at once from many is made once",
	"writers at once lose nothing",
	"a reader never sees half a change, wherever it comes in between",
	"a reader never sees half a change while a writer is at it",
	"a commit that breaks off anywhere is made whole or not at all",
	"revocations at once lose nothing",
	"a reader of revocations never sees half a change",
	"a revocation that breaks off anywhere is made whole or not at all",
}

// useStore is every turn that a change can take.
func useStore(t *testing.T, tables string) {
	storetest.RunBut(t, repeated, func(t *testing.T) storetest.Harness {
		client, wire := dynamotest.WireClient(t, tables)
		table := dynamotest.TableOn(t, dynamotest.Client(t))
		return storetest.Harness{
			Store: dynamo.New(client, table),
			Reopen: func() store.Store {
				again, _ := dynamotest.WireClient(t, tables)
				return dynamo.New(again, table)
			},
			BeforeRequest: wire.Before, LoseNextAnswer: wire.LoseCommit, CutAfter: wire.CutAfter,
		}
	})
}

// editPermissions goes through the calls on single items.
func (c client) editPermissions() {
	c.w.t.Helper()
	body := `{"arn":"` + c.w.arn(restID) + `","stage":"dev","httpVerb":"POST","resource":"jobs","scope":"jobs.run"}`
	var added struct{ ID string }
	a := c.send("POST", "/v1/permissions", "", body)
	if err := json.Unmarshal([]byte(a.Body), &added); err != nil || added.ID == "" {
		c.w.t.Fatalf("%+v: no id (%v)", a, err)
	}
	one := "/v1/permissions/" + added.ID
	tag := c.send("GET", one, "", "").tag()
	changed := strings.Replace(body, "}", `,"description":"nightly"}`, 1)
	tag = c.send("PUT", one, tag, changed).tag()
	c.send("DELETE", one, tag, "")
	c.send("GET", "/v1/permissions?limit=100", "", "")
}

// editTables goes through the calls on whole tables, also such as are too large
// for one transaction.
func (c client) editTables() {
	c.w.t.Helper()
	path := "/v1/apis/" + restID + "/dev"
	tag := c.send("GET", path, "", "").tag()
	for _, n := range []int{150, 151, 3} {
		tag = c.send("PUT", path+"/document", tag, c.w.orders(restID, n)).tag()
	}
	c.send("GET", "/v1/audit?arn="+c.w.arn(restID)+"&stage=dev", "", "")
	c.send("GET", path+"/routes", "", "")
	c.send("DELETE", path, tag, "")
	c.document(restID, 1)
}

// TestARecordedRequestIsWhatIAMSees of it.
func TestARecordedRequestIsWhatIAMSees(t *testing.T) {
	const table = "arn:aws:dynamodb:eu-central-1:111122223333:table/t"
	for _, c := range []struct {
		operation, body string
		want            []string
	}{
		{"GetItem", `{"Key":{"pk":{"S":"meta#a"},"sk":{"S":"meta"}}}`, []string{"GetItem meta#a"}},
		{"PutItem", `{"Item":{"pk":{"S":"audit#a"}}}`, []string{"PutItem audit#a"}},
		{"Query", `{"KeyConditionExpression":"pk = :pk AND sk < :x","ExpressionAttributeValues":{":pk":{"S":"apis"},":x":{"S":"z"}}}`, []string{"Query apis"}},
		{"BatchWriteItem", `{"RequestItems":{"t":[{"DeleteRequest":{"Key":{"pk":{"S":"b"}}}},{"PutRequest":{"Item":{"pk":{"S":"a"}}}}]}}`, []string{"BatchWriteItem a,b"}},
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"Item":{"pk":{"S":"b"}}}},{"Put":{"Item":{"pk":{"S":"a"}}}},{"ConditionCheck":{"Key":{"pk":{"S":"c"}}}}]}`,
			[]string{"ConditionCheckItem c", "ConditionCheckItem c", "PutItem a", "PutItem a,b", "PutItem b"}},
		{"DeleteTable", `{"TableName":"t"}`, []string{"DeleteTable "}},
		{"GetItem", `{"Key":{"sk":{"S":"meta"}}}`, nil},
		{"Query", `{"KeyConditionExpression":"sk = :pk"}`, nil},
		{"TransactWriteItems", `{"TransactItems":[{"Other":{"Key":{"pk":{"S":"c"}}}}]}`, nil},
	} {
		calls, err := dynamoCalls(c.operation, []byte(c.body), table)
		var got []string
		for _, one := range calls {
			got = append(got, strings.TrimPrefix(one.action, "dynamodb:")+" "+strings.Join(one.keys[leadingKeys], ","))
		}
		slices.Sort(got)
		if c.want == nil {
			if err == nil {
				t.Errorf("%s %s: understood as %v", c.operation, c.body, got)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %v (%v), want %v", c.operation, c.body, got, err, c.want)
		}
	}
}
