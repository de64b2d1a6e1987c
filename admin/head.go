package admin

import (
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/store"
)

// head is what a document says beside its permissions. Who marked a table as
// complete, and when, stays while the source does.
func (d Document) head(before store.Meta, c store.Change) store.Head {
	h := store.Head{Name: d.Name, Owners: d.Owners, Trust: d.Trust}
	switch {
	case d.Complete == nil:
	case before.Complete != nil && before.Complete.Source == d.Complete.Source:
		h.Complete = before.Complete
	default:
		h.Complete = &store.Complete{Source: d.Complete.Source, By: c.By, At: c.At.UTC().Round(0)}
	}
	return normal(h)
}

// owned is the head that a document has when an owner puts it. Name, owners and
// trust are the admins' to change: they stay where the document leaves them out,
// and one that would change them is refused.
func (d Document) owned(said store.Head, before store.Meta) (store.Head, error) {
	is := headOf(before)
	var fields []string
	var details []error
	keep := func(field string, given, same bool) {
		if given && !same {
			fields = append(fields, field)
			details = append(details, &huma.ErrorDetail{Location: "body." + field, Message: "must be as it is stored, or be left out"})
		}
	}
	keep("name", d.named, said.Name == is.Name)
	keep("owners", d.Owners != nil, slices.Equal(said.Owners, is.Owners))
	keep("trust", d.Trust != nil, reflect.DeepEqual(said.Trust, is.Trust))
	if len(fields) > 0 {
		return is, forbid("only admins may change "+strings.Join(fields, ", ")+" of an API", details...)
	}
	is.Complete = said.Complete
	return is, nil
}

func headOf(m store.Meta) store.Head {
	return normal(store.Head{Name: m.Name, Complete: m.Complete, Owners: m.Owners, Trust: m.Trust})
}

// normal makes empty lists nil and times comparable, so that equal heads are
// equal.
func normal(h store.Head) store.Head {
	if len(h.Owners) == 0 {
		h.Owners = nil
	}
	if len(h.Trust) == 0 {
		h.Trust = nil
	}
	if h.Complete != nil {
		c := *h.Complete
		c.At = c.At.UTC().Round(0)
		h.Complete = &c
	}
	return h
}
