//go:build !race

package lint_test

const checks = "100"
