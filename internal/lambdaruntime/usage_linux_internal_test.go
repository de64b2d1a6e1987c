package lambdaruntime

import "testing"

func TestMemoryIsReadFromStatus(t *testing.T) {
	for text, want := range map[string]Memory{
		"Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n": {Now: 1 << 20, Peak: 2 << 20},
		"Name:\tx\nVmRSS:\t    1024 kB\n":                                   {},
		"VmRSS:\tmuch\nVmHWM:\t    2048 kB\n":                               {},
		"":                                                                  {},
	} {
		m, err := parseStatus([]byte(text))
		if m != want || (err == nil) != (want != Memory{}) {
			t.Errorf("%q: %+v, %v", text, m, err)
		}
	}
}
