package lint

// Overlaps and CallersOf are for properties that need no policies: those take
// most of the time.
var Overlaps = overlaps

// CallersOf makes up the callers of a table.
func CallersOf(t Table, o Options) ([]Caller, error) {
	c, err := New(t, o)
	if err != nil {
		return nil, err
	}
	return c.Callers(), nil
}

// IsEncoding takes a long policy to be seen in full.
var IsEncoding = isEncoding
