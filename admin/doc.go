// Package admin is the API with which operators edit permission tables.
//
// In goes an HTTP request with a bearer token, which the API verifies itself;
// out comes a table or what became of a change to it, or an RFC 9457 problem
// that names field, value and rule. A change names the revision that it was
// made for (If-Match), of the table or of the one permission: what was reviewed is
// what is changed. Every change goes one way, commit.go: lint is asked, the second
// flush made certain, the change made, caches flushed. What was committed is never
// answered as failed.
//
// Admins may do everything; the owners of an API read and change its permissions,
// routes and document. To them, as to everybody else, an API that is not theirs is
// as one that does not exist: by the answer, and by what is read for it. Who may
// what stands in one table, matrix_test.go. openapi.json is what is served.
package admin
