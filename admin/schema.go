package admin

import (
	"path"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/mapping"
	"scopegate/store"
)

// qualified are the packages whose types are named after them, too: names such as
// Changed and Caller are also others'.
var qualified = map[string]string{"plan": "Plan", "policy": "Policy"}

// schemas are the names and forms of types in the API's description.
func schemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if prefix := qualified[path.Base(t.PkgPath())]; t.Name() != "" && prefix != name {
			return prefix + name
		}
		return name
	})
	// Permissions are written in the wire format, wherever they stand.
	r.RegisterTypeAlias(reflect.TypeFor[mapping.Permission](), reflect.TypeFor[Permission]())
	r.RegisterTypeAlias(reflect.TypeFor[store.Complete](), reflect.TypeFor[Complete]())
	return r
}
