// Package admin is the API with which operators edit permission tables.
//
// In goes an HTTP request with a bearer token, which the API verifies itself;
// out comes a table or what became of a change to it, or an RFC 9457 problem
// that names field, value and rule. A change names the revision that it was
// made for (If-Match): what was reviewed is what is changed.
package admin
