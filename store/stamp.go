package store

import (
	"time"

	"scopegate/mapping"
)

// Stamp says who made a permission and who last wrote it, and when (UTC). A
// permission that was removed and is put again is a new one. The zero Stamp is
// that of a permission stored before there were stamps; one of those written
// since has an UpdatedBy and no CreatedBy.
type Stamp struct {
	CreatedBy string    `json:"createdBy,omitempty"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedBy string    `json:"updatedBy,omitempty"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// stamps are those of the permissions that a change puts into a table.
func (c Change) stamps(there map[string]mapping.Permission, old map[string]Stamp) map[string]Stamp {
	if len(c.Put) == 0 {
		return nil
	}
	all := make(map[string]Stamp, len(c.Put))
	for _, p := range c.Put {
		id := p.ID()
		stamp := Stamp{CreatedBy: c.By, CreatedAt: c.At, UpdatedBy: c.By, UpdatedAt: c.At}
		if _, replaced := there[id]; replaced {
			stamp.CreatedBy, stamp.CreatedAt = old[id].CreatedBy, old[id].CreatedAt
		}
		all[id] = stamp
	}
	return all
}
