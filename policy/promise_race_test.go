//go:build race

package policy_test

// slower is how many times fewer cases there are with the race detector, which
// makes each of them take longer and finds nothing in most of them.
const slower = 10
