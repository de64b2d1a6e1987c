package dynamo

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/mapping"
)

// item is one item of the table.
type item = map[string]types.AttributeValue

const (
	pk = "pk"
	sk = "sk"

	permPrefix  = "perm#"
	routePrefix = "route#"
	metaSK      = "meta"
	snapshotSK  = "snapshot"
	apisPK      = "apis"
)

func metaPK(api mapping.API) string        { return "meta#" + joined(api) }
func auditPK(api mapping.API) string       { return "audit#" + joined(api) }
func generationsPK(api mapping.API) string { return "generations#" + joined(api) }

func itemsPK(api mapping.API, generation string) string {
	return "api#" + joined(api) + "#" + generation
}

// joined is right for checked APIs only (store.CheckAPI): they hold no '#'.
func joined(api mapping.API) string { return api.ARN + "#" + api.Stage }

func split(s string) (mapping.API, error) {
	arn, stage, _ := strings.Cut(s, "#")
	return mapping.ParseAPI(arn, stage)
}

func key(p, s string) item { return item{pk: text(p), sk: text(s)} }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// textOf is the value of a string attribute, "" if it is none.
func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
