package cli_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/cli"
	"scopegate/internal/dynamotest"
)

// cutting passes requests on to DynamoDB until there are none left; the first one
// too many is carried out if lost is set, and its answer never given.
type cutting struct {
	left atomic.Int64
	lost bool
	cut  atomic.Bool
	pass http.Handler
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch left := c.left.Add(-1); {
	case left >= 0:
		c.pass.ServeHTTP(w, r)
		return
	case left == -1 && c.lost:
		c.pass.ServeHTTP(httptest.NewRecorder(), r)
	default:
		_, _ = io.Copy(io.Discard, r.Body)
	}
	c.cut.Store(true)
	panic(http.ErrAbortHandler) // the connection ends without an answer
}

// TestMigrateWithASeedKilledAnywhere: the whole command, killed at each request in
// turn, with and without that one being carried out. The next one completes it: the
// same items as of a run that nothing happened to, the document merged and recorded
// once. Its lock's lease is made to have ended rather than waited for.
func TestMigrateWithASeedKilledAnywhere(t *testing.T) {
	target, err := url.Parse(dynamotest.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	through := &cutting{pass: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}}
	server := httptest.NewServer(through)
	defer server.Close()
	client := dynamotest.Client(t)
	run := func(table string) int {
		t.Helper()
		env := awsOf(t, "AWS_ENDPOINT_URL_DYNAMODB="+server.URL, "AWS_MAX_ATTEMPTS=1", "TABLE_NAME="+table)
		_, _, code := migrate(t, env, one, "--seed", "-")
		return code
	}
	const enough = 1 << 30
	fresh := func() string {
		table := dynamotest.TableName()
		t.Cleanup(func() { dropTable(t, table) })
		return table
	}
	undisturbed := fresh()
	through.left.Store(enough)
	if code := run(undisturbed); code != cli.OK {
		t.Fatalf("undisturbed: %d", code)
	}
	want := kinds(t, client, undisturbed)
	for _, lost := range []bool{false, true} {
		for n, killed := int64(0), true; killed; n++ {
			table := fresh()
			through.lost = lost
			through.cut.Store(false)
			through.left.Store(n)
			code := run(table)
			killed = through.cut.Load()
			if got := kinds(t, client, table); code == cli.OK && !slices.Equal(got, want) {
				t.Fatalf("request %d is cut off (lost: %v), and the command says that all is done:\n%s", n, lost, cmp.Diff(want, got))
			}
			through.left.Store(enough)
			endLease(t, client, table)
			if code := run(table); code != cli.OK {
				t.Fatalf("after request %d was cut off (lost: %v): %d", n, lost, code)
			}
			if diff := cmp.Diff(want, kinds(t, client, table)); diff != "" {
				t.Fatalf("after request %d was cut off (lost: %v):\n%s", n, lost, diff)
			}
		}
	}
}

// endLease sets the lock, if there is one, to an hour long gone.
func endLease(t *testing.T, client *dynamodb.Client, table string) {
	t.Helper()
	_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &table, Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "migrations"}, "sk": &types.AttributeValueMemberS{Value: "lock"}},
		UpdateExpression: aws.String("SET expires = :then"), ConditionExpression: aws.String("attribute_exists(pk)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":then": &types.AttributeValueMemberN{Value: "1000"}},
	})
	var none *types.ConditionalCheckFailedException
	var noTable *types.ResourceNotFoundException
	if err != nil && !errors.As(err, &none) && !errors.As(err, &noTable) {
		t.Fatal(err)
	}
}

// kinds are the items of a table by partition, sort key and the names of their
// attributes, without what is drawn by lot: generations, ids of changes, the lock.
func kinds(t *testing.T, client *dynamodb.Client, table string) []string {
	t.Helper()
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	var noTable *types.ResourceNotFoundException
	if errors.As(err, &noTable) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, it := range out.Items {
		if _, ok := it["lease"]; ok {
			continue // a lock that was not given back ends with its lease, and is in nobody's way
		}
		pk, sk := it["pk"].(*types.AttributeValueMemberS).Value, it["sk"].(*types.AttributeValueMemberS).Value
		switch {
		case strings.HasPrefix(pk, "api#"):
			pk = pk[:strings.LastIndex(pk, "#")]
		case strings.HasPrefix(pk, "audit#"), strings.HasPrefix(pk, "generations#"):
			sk = "…"
		}
		all = append(all, pk+" "+sk+" "+strings.Join(slices.Sorted(maps.Keys(it)), ","))
	}
	slices.Sort(all)
	return all
}
