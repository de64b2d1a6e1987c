package admin

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/internal/plan"
)

// PlanOr is the answer of a call that changes a table, or with dryRun plans the
// change: a T, or the plan.
type PlanOr[T any] struct {
	Plan *plan.Plan // nil if the change was made
	Done T
}

// MarshalJSON implements json.Marshaler.
func (p PlanOr[T]) MarshalJSON() ([]byte, error) {
	if p.Plan != nil {
		return json.Marshal(p.Plan)
	}
	return json.Marshal(p.Done)
}

// Schema implements huma.SchemaProvider.
func (PlanOr[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[T](), true, "Outcome"),
		r.Schema(reflect.TypeFor[plan.Plan](), true, "Plan"),
	}}
}
