package store

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ReplaceBy makes the change that turns one table into another of the same API:
// permissions, routes, and the head where it differs. The caller adds ID, By,
// RequestID and At, and first gives to.Meta what of the head is to stay. from is
// the table as it is, zero where there is none. The change is empty (Change.Empty)
// if the tables are the same; stamps do not count.
func ReplaceBy(from, to Snapshot) (Change, error) {
	c := Change{API: to.API, If: from.Revision}
	d, err := Diff(from.Permissions, to.Permissions)
	if err != nil {
		return Change{}, fmt.Errorf("replace table of %s: %w", to.API, err)
	}
	c.Put = d.Put
	target := newRewind(to)
	for _, p := range from.Permissions {
		if _, stays := target.permissions[p.ID()]; !stays {
			c.Remove = append(c.Remove, p.ID())
		}
	}
	there := map[string]bool{}
	for _, r := range from.Routes {
		there[r.ID()] = true
		if _, stays := target.routes[r.ID()]; !stays {
			c.RemoveRoutes = append(c.RemoveRoutes, r.ID())
		}
	}
	for _, r := range to.Routes {
		if !there[r.ID()] {
			c.PutRoutes = append(c.PutRoutes, r)
		}
	}
	same, err := sameHead(from.head(), to.head())
	if err != nil {
		return Change{}, fmt.Errorf("replace table of %s: %w", to.API, err)
	}
	if !same {
		head := to.head()
		c.Head = &head
	}
	return c, nil
}

// sameHead compares what is stored of two heads.
func sameHead(a, b Head) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	y, err := json.Marshal(b)
	return bytes.Equal(x, y), err
}
