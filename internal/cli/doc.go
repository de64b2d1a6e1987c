// Package cli is the command scopegate: in go arguments, environment and
// standard input; out come results on standard output, everything said about
// them on standard error, and an exit code.
package cli
