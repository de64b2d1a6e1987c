// Package lint looks for what is wrong with a permission table before its
// callers find out: in goes a table and how policies are made, out comes a
// [Result] of findings and of the policies that callers would get, each caller
// made up from what the permissions require. It prints nothing and asks nobody.
package lint
