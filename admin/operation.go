package admin

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// access says to whom an operation is open. The zero access is the narrowest: an
// operation that says nothing is for admins.
type access string

const (
	forAdmins access = ""
	// forOwners: admins, and the owners of the API that the path names. Both are
	// told before a body is read; the handler asks again for the very table that
	// it reads.
	forOwners access = "owners of the path's API"
	// forItems: admins, and owners; the handler finds out of what, since the path
	// does not name the table. Who could own nothing is turned away before.
	forItems access = "owners of the items' APIs"
)

const accessKey = "access"

func accessOf(op *huma.Operation) access {
	who, _ := op.Metadata[accessKey].(access)
	return who
}

// tablePath is the path of one table.
const tablePath = "/v1/apis/{apiId}/{stage}"

// protected makes an operation one that needs a token. Its errors come on top of
// those that every such operation has.
func protected(op huma.Operation, who access, errors ...int) huma.Operation {
	op.Security = []map[string][]string{{"bearer": {}}}
	op.Metadata = map[string]any{accessKey: who}
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	op.Errors = append(op.Errors, errors...)
	switch op.Method {
	case http.MethodPut, http.MethodPost:
		// Of a body: no JSON, too large, of another type.
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
		op.MaxBodyBytes = MaxBody
		op.BodyReadTimeout = -1 // it has been read: see readBody
	}
	slices.Sort(op.Errors)
	op.Errors = slices.Compact(op.Errors)
	return op
}
