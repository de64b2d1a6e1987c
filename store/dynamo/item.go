package dynamo

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

// wireNames are the attributes of a permission: the wire format's fields.
var wireNames = []string{
	"arn", "stage", "httpVerb", "resource", "scope", "role", "group", "principalType",
	"tenant", "authenticated", "registered", "expiresAt", "description",
}

// stampName is the attribute of a permission's store.Stamp, JSON in one string:
// authorizers read it along with the rest, and several attributes would cost them
// more. Being an annotation it is passed over by programs that do not know it.
const stampName = annotation + "stamp"

// permissionNames are all attributes that writing a permission sets or removes.
var permissionNames = append(slices.Clone(wireNames), stampName)

var routeNames = []string{"arn", "stage", "httpVerb", "resource"}

// recordNames are the attributes of an audit record (store.EncodeRecord).
var recordNames = []string{
	"changeId", "by", "requestId", "at", "before", "after", "added", "removed",
	"routesAdded", "routesRemoved", "headBefore", "headAfter", "counts", "answer",
	"unlisted", "hash", "generationBefore", "generationAfter",
}

// routeItem is a route as it is stored.
type routeItem struct {
	ARN      string `json:"arn"`
	Stage    string `json:"stage"`
	HTTPVerb string `json:"httpVerb"`
	Resource string `json:"resource"`
}

// headNames are the attributes of a table's head that Change.Head replaces.
var headNames = []string{"name", "complete", "owners", "trust"}

// head is the meta item. The zero head is that of a table that never was.
type head struct {
	ARN         string `json:"arn"`
	Stage       string `json:"stage"`
	Number      uint64 `json:"revision"`
	Incarnation string `json:"incarnation"`
	Generation  string `json:"generation"`
	// Fence is set anew to make sure that a transaction whose fate is not known
	// will never be committed: every transaction is conditional on it.
	Fence   string `json:"fence"`
	Deleted bool   `json:"deleted,omitempty"`
	// Packed names the item that holds the whole table at this revision, "" for none
	// (packedName). It is left as it is by programs that do not know it.
	Packed string `json:"-"`
	store.Head
}

var metaNames = append([]string{"arn", "stage", "revision", "incarnation", "generation", "fence", "deleted"}, headNames...)

// packedAttribute is the attribute of head.Packed. Whatever else a later version puts
// there is as good as none.
const packedAttribute = "snapshot"

func decodeHead(api mapping.API, it item) (head, error) {
	if it == nil {
		return head{ARN: api.ARN, Stage: api.Stage, Deleted: true}, nil
	}
	var h head
	if err := fromItem(it, metaNames, &h); err != nil {
		return head{}, err
	}
	switch {
	case h.ARN != api.ARN || h.Stage != api.Stage:
		return head{}, fmt.Errorf("arn and stage: are %s, %s", h.ARN, h.Stage)
	case h.Incarnation == "":
		return head{}, errors.New("attribute incarnation: must be given")
	case !h.Deleted && (h.Number == 0 || h.Generation == ""):
		return head{}, errors.New("attributes revision and generation: must be given")
	}
	h.Packed = textOf(it[packedAttribute])
	return h, nil
}

// never reports whether there is no meta item at all.
func (h head) never() bool { return h.Incarnation == "" }

// at reports whether both heads are of the same table at the same revision.
func (h head) at(o head) bool {
	return h.Number == o.Number && h.Incarnation == o.Incarnation && h.Generation == o.Generation && h.Deleted == o.Deleted
}

// revision is the revision as the contract has it: zero for a tombstone.
func (h head) revision() store.Revision {
	if h.Deleted {
		return store.Revision{}
	}
	return store.Revision{Number: h.Number, Incarnation: h.Incarnation}
}

func (h head) meta() store.Meta {
	if h.Deleted {
		return store.Meta{}
	}
	return store.Meta{
		API: mapping.API{ARN: h.ARN, Stage: h.Stage}, Revision: h.revision(),
		Name: h.Name, Complete: h.Complete, Owners: h.Owners, Trust: h.Trust,
	}
}

// snapshot decodes the items of a table, stamps only if they are asked for.
// Items of unknown kinds are passed over.
func (h head) snapshot(items []item, stamps bool) (store.Snapshot, error) {
	s := store.Snapshot{Meta: h.meta()}
	if stamps {
		s.Stamps = map[string]store.Stamp{}
	}
	for _, it := range items {
		name := textOf(it[sk])
		var err error
		if id, ok := strings.CutPrefix(name, permPrefix); ok {
			var p mapping.Permission
			if p, err = decodePermission(s.API, id, it); err == nil {
				s.Permissions = append(s.Permissions, p)
				if _, ok := it[stampName]; ok && stamps {
					s.Stamps[id] = decodeStamp(it)
				}
			}
		} else if id, ok := strings.CutPrefix(name, routePrefix); ok {
			var r mapping.Route
			if r, err = decodeRoute(s.API, id, it); err == nil {
				s.Routes = append(s.Routes, r)
			}
		}
		if err != nil {
			return store.Snapshot{}, fmt.Errorf("item %s: %w", name, err)
		}
	}
	return s, nil
}

func decodePermission(api mapping.API, id string, it item) (mapping.Permission, error) {
	if err := checkRestrictions(it); err != nil {
		return mapping.Permission{}, err
	}
	b, err := itemToJSON(it, wireNames)
	if err != nil {
		return mapping.Permission{}, err
	}
	p, err := mapping.ParsePermission(b)
	switch {
	case err != nil:
		return p, err
	case p.API != api:
		return p, fmt.Errorf("permission of %s", p.API)
	case p.ID() != id:
		return p, fmt.Errorf("permission whose id is %s", p.ID())
	}
	return p, nil
}

// encodePermission is a permission with its stamp, but for its key.
func encodePermission(p mapping.Permission, stamp store.Stamp) (item, error) {
	it, err := toItem(p)
	if err != nil {
		return nil, err
	}
	if stamp.UpdatedBy == stamp.CreatedBy && stamp.UpdatedAt.Equal(stamp.CreatedAt) {
		stamp.UpdatedBy, stamp.UpdatedAt = "", time.Time{}
	}
	b, err := json.Marshal(stamp)
	it[stampName] = text(string(b))
	return it, err
}

// decodeStamp reads what encodePermission wrote; if it cannot, there is none: a
// stamp says nothing about who gets in.
func decodeStamp(it item) store.Stamp {
	var stamp store.Stamp
	if json.Unmarshal([]byte(textOf(it[stampName])), &stamp) != nil {
		return store.Stamp{}
	}
	if stamp.UpdatedBy == "" {
		stamp.UpdatedBy, stamp.UpdatedAt = stamp.CreatedBy, stamp.CreatedAt
	}
	return stamp
}

func decodeRoute(api mapping.API, id string, it item) (mapping.Route, error) {
	var w routeItem
	if err := fromItem(it, routeNames, &w); err != nil {
		return mapping.Route{}, err
	}
	r, err := mapping.NewRoute(api, w.HTTPVerb, w.Resource)
	switch {
	case err != nil:
		return r, err
	case w.ARN != api.ARN || w.Stage != api.Stage:
		return r, fmt.Errorf("route of %s/%s", w.ARN, w.Stage)
	case r.ID() != id:
		return r, fmt.Errorf("route whose id is %s", r.ID())
	}
	return r, nil
}

func encodeRoute(r mapping.Route, generation string) (item, error) {
	it, err := toItem(routeItem{ARN: r.API.ARN, Stage: r.API.Stage, HTTPVerb: string(r.Verb), Resource: r.Resource.String()})
	if err != nil {
		return nil, err
	}
	maps.Copy(it, key(itemsPK(r.API, generation), routePrefix+r.ID()))
	return it, nil
}
