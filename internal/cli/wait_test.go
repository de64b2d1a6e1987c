package cli_test

import (
	"strings"
	"testing"
	"time"

	"scopegate/internal/cli"
)

func TestWaitEndsWhenTheChangeIsThere(t *testing.T) {
	ready := inProcess(t, environment(t))
	w := way{at: []string{"--dev", ready.AdminURL}}
	var out, errs output
	done := make(chan int, 1)
	args := append([]string{"scopegate", "wait", "--revision", "2", "--interval", "5ms", "--dev", ready.AdminURL}, seedTable...)
	env := environment(t)
	go func() { done <- cli.Run(t.Context(), args, env, nil, &out, &errs) }()
	errs.await(t, 0, "waiting for 2")
	select {
	case code := <-done:
		t.Fatalf("it ended with %d before the change: %s%s", code, &out, &errs)
	default:
	}
	w.ok(t, "", with(seedTable, "permissions", "add", "GET", "x", "--scope", "s")...)
	if code := <-done; code != cli.OK || !strings.HasPrefix(out.String(), "revision 2-") {
		t.Errorf("ends with %d: %s%s", code, &out, &errs)
	}
}

func TestWaitGivesUpAndSaysWhatItSaw(t *testing.T) {
	everyWay(t, func(t *testing.T, w way) {
		later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		earlier := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
		for name, c := range map[string]struct {
			args []string
			code int
			says string
		}{
			"a revision that does not come": {[]string{"--revision", "9", "--timeout", "0s"}, cli.Failed, "is at revision 1-"},
			"an hour for caches":            {[]string{"--revision", "1", "--effective-by", later, "--timeout", "0s"}, cli.Failed, "counts everywhere by"},
			"caches are done":               {[]string{"--revision", "1", "--effective-by", earlier, "--timeout", "0s"}, cli.OK, "revision 1-"},
			"another life of the table":     {[]string{"--revision", "1-OTHER"}, cli.Negative, "was deleted and made anew"},
			"no revision":                   {[]string{"--revision", "x"}, cli.Usage, "must be a number"},
			"no time":                       {[]string{"--revision", "1", "--effective-by", "soon"}, cli.Usage, "RFC 3339"},
		} {
			stdout, stderr, code := w.run(t, "", append(with(seedTable, "wait"), c.args...)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.says) {
				t.Errorf("%s: ends with %d, want %d: %s%s", name, code, c.code, stdout, stderr)
			}
		}
	})
}
