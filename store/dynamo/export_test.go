package dynamo

import "scopegate/internal/layout"

// Pretend has a store take itself for a program of another version.
func (s *Store) Pretend(c layout.Code) { s.code = c }

// GoodFor is for how long a reading of the ledger is good.
const GoodFor = goodFor

// Plain has a store make changes as programs did before tables were packed.
func (s *Store) Plain() { s.plain = true }
