package lint

// Overlaps and CallersOf are for properties that need no policies: those take
// most of the time.
var Overlaps = overlaps

// CallersOf makes up the callers of a table.
func CallersOf(t Table, o Options) ([]Caller, error) {
	once, _ := duplicates(t.Entries)
	c, err := prepare(t, once, o)
	if err != nil {
		return nil, err
	}
	return append(c.singles(), c.totals()...), nil
}

// IsEncoding takes a long policy to be seen in full.
var IsEncoding = isEncoding
