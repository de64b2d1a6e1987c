// Package store keeps permission tables: the contract that every back end
// fulfils, and the [Cache] in front of it.
//
// In goes a change to the table of one API stage; out comes a whole table as
// of one revision, never half a change. The back ends are store/dynamo (Amazon
// DynamoDB) and store/bolt (embedded); both pass the one suite in
// store/storetest.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"scopegate/mapping"
)

// Errors that a Store's methods wrap; tell them apart with errors.Is. Any other
// error is an outage: nothing is known about the table, and nobody may be
// refused because of it.
var (
	// ErrNotFound: the API is not registered (or was deleted).
	ErrNotFound = errors.New("not found")
	// ErrConflict: the table has moved on from the revision that the change was
	// made for; nothing was written.
	ErrConflict = errors.New("revision conflict")
	// ErrInvalid: the change itself is wrong; nothing was written.
	ErrInvalid = errors.New("invalid change")
	// ErrUnknown: the store did not say whether the change was committed, and
	// could not be asked. Repeating the same Change (same ID) is safe.
	ErrUnknown = errors.New("outcome unknown")
	// ErrEdited: a table is not as it was when it was last changed by one of these
	// programs, at the same revision.
	ErrEdited = errors.New("changed past this program")
	// ErrVersion: the tables are of a later or an earlier version than this program
	// can go on with. It is an outage too, and says what ends it.
	ErrVersion = errors.New("tables and program do not fit")
)

// Revision is the version of one table. Number counts its changes; Incarnation
// is random for each life of the table, so that a table deleted and made anew
// never passes for its predecessor; the count goes on. Compare revisions whole, with ==.
// The zero Revision is that of a table that does not exist.
type Revision struct {
	Number      uint64
	Incarnation string
}

// String is the revision as logs and ETags show it.
func (r Revision) String() string {
	if r == (Revision{}) {
		return "none"
	}
	return fmt.Sprintf("%d-%s", r.Number, r.Incarnation)
}

// Owner may edit the permissions, routes and document of one API.
type Owner struct {
	Tenant string `json:"tenant"`
	Role   string `json:"role,omitempty"`
	Group  string `json:"group,omitempty"`
}

// Complete says that a table lists every route of its API. The zero Complete
// says that it may not.
type Complete struct {
	Source string    `json:"source"` // where the routes came from, such as the hash of the OpenAPI document
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// Meta is the head of a table: all of it but its permissions and routes.
type Meta struct {
	API      mapping.API
	Revision Revision
	Name     string
	Complete *Complete
	Owners   []Owner
	Trust    []mapping.Trust
}

// Snapshot is a whole table as of Meta.Revision. Permissions and Routes are
// sorted by their ids. Routes holds every route ever named and not deleted,
// those of the permissions included.
type Snapshot struct {
	Meta
	Permissions []mapping.Permission
	Routes      []mapping.Route
	// Stamps say by permission id who made it and who last wrote it. Readers for
	// authorizers leave them out (dynamo.Reader), and a permission stored before
	// there were stamps has none.
	Stamps map[string]Stamp
}

// Change is one change to one table: all of it happens, or nothing.
type Change struct {
	// ID identifies the change (a ULID). Committing the same ID again does
	// nothing and answers as the first time, so that an ambiguous answer can be
	// settled by repeating it.
	ID  string
	API mapping.API
	// If is the revision that the change was made for; the zero Revision means
	// that the table must not exist yet.
	If Revision

	Put          []mapping.Permission // added, or replaced by id; each registers its route
	Remove       []string             // ids of permissions; their routes stay registered
	PutRoutes    []mapping.Route      // registered without a permission
	RemoveRoutes []string             // ids of routes that no permission names after this change
	// Head, when not nil, replaces name, completeness, owners and trust.
	Head *Head
	// Delete takes the whole table away and leaves a tombstone; it stands alone.
	Delete bool

	By        string    // principal id of who asked for it
	RequestID string    // of the request that asked for it
	At        time.Time // when
}

// Head is what a Change may replace of Meta.
type Head struct {
	Name     string          `json:"name,omitempty"`
	Complete *Complete       `json:"complete,omitempty"`
	Owners   []Owner         `json:"owners,omitempty"`
	Trust    []mapping.Trust `json:"trust,omitempty"`
}

// Record is what the audit trail keeps of one change. It is never changed, and
// outlives the table.
type Record struct {
	ChangeID      string      `json:"changeId"`
	API           mapping.API `json:"-"`
	Before, After Revision    `json:"-"`
	By            string      `json:"by"`
	RequestID     string      `json:"requestId,omitempty"`
	At            time.Time   `json:"at"`
	// Added and Removed list permissions as they are and were; a replaced one
	// is in both. RoutesAdded and RoutesRemoved list routes as people write
	// them. For a bulk change (more than [MaxListed] of them, or [MaxRecordList]
	// bytes) Audit leaves them out, sets Unlisted, and Hash is theirs; AuditDetail
	// has them.
	Added, Removed             []mapping.Permission `json:"-"`
	RoutesAdded, RoutesRemoved []string             `json:"-"`
	// HeadBefore and HeadAfter are nil unless the change replaced the head;
	// before a table exists, and after its deletion, there is none.
	HeadBefore, HeadAfter *Head  `json:"-"`
	Counts                Counts `json:"counts"`
	// Unlisted says that there are lists which are not in this record.
	Unlisted bool   `json:"unlisted,omitempty"`
	Hash     string `json:"hash,omitempty"` // of a bulk change's lists: "sha256:…"
	// GenerationBefore and GenerationAfter name the sets of items that the table
	// had in DynamoDB, where the change made a new one; "" for none. Other back
	// ends have no such thing.
	GenerationBefore string `json:"generationBefore,omitempty"`
	GenerationAfter  string `json:"generationAfter,omitempty"`
	// Damaged, if not "", says why the stored record cannot be read; only
	// ChangeID and API are known then.
	Damaged string `json:"damaged,omitempty"`
}

// Counts sums up a change.
type Counts struct {
	Put           int  `json:"put"`           // permissions added or replaced
	Removed       int  `json:"removed"`       // permissions, without the replaced ones
	RoutesPut     int  `json:"routesPut"`     // routes that were not registered before
	RoutesRemoved int  `json:"routesRemoved"` // routes
	HeadChanged   bool `json:"headChanged"`
	Deleted       bool `json:"deleted"`
}

// Store keeps tables. All methods may be called from several goroutines, honour
// their context, and read what was last written (no eventual consistency).
type Store interface {
	RevocationStore
	// Meta reads the head of a table: one cheap read. ErrNotFound if it does
	// not exist, or if no table of such a name can (see mapping.ParseAPI).
	Meta(ctx context.Context, api mapping.API) (Meta, error)
	// Load reads a table as of one revision: never half a change. ErrNotFound
	// if it does not exist.
	Load(ctx context.Context, api mapping.API) (Snapshot, error)
	// Commit makes one change, its audit record with it, and answers with the
	// new head; after a deletion that is only the API. ErrConflict if the table
	// is not at change.If (there or not), ErrInvalid if the change breaks a
	// rule (then the error says which, see [Change.Canonical] and
	// [Change.Plan]), ErrUnknown if the outcome could not be settled. In all
	// but the last case nothing was written, nor ever will be.
	Commit(ctx context.Context, change Change) (Meta, error)
	// APIs lists the tables that exist, sorted by ARN and stage.
	APIs(ctx context.Context) ([]mapping.API, error)
	// Audit lists the records of a table, newest first (by change id), at most
	// limit of those before the change id given ("" for the newest). It works
	// for tables that were deleted. ErrInvalid if limit is not 1 to
	// [MaxAuditLimit] or before is no change id. A record that cannot be read is
	// there too, as Damaged.
	Audit(ctx context.Context, api mapping.API, before string, limit int) ([]Record, error)
	// AuditDetail reads the record of one change with all of its lists, however
	// large it was. ErrNotFound if there is none, ErrIncomplete if its lists are not
	// whole any more; one that cannot be read is an error of its own. Unlisted stays set for a bulk change of before lists were
	// kept: they are lost.
	AuditDetail(ctx context.Context, api mapping.API, changeID string) (Record, error)
	// Close releases what the store holds. Nothing may be called after it.
	Close() error
}
