//go:build race

package lint_test

// checks is how many cases rapid draws: the race detector makes each take longer
// and finds nothing in most of them.
const checks = "30"
