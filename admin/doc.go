// Package admin is the API with which operators edit permission tables.
//
// In goes an HTTP request with a bearer token, which the API verifies itself;
// out comes a table or what became of a change to it, or an RFC 9457 problem
// that names field, value and rule. A change names the revision that it was
// made for (If-Match): what was reviewed is what is changed.
//
// Admins may do everything; the owners of an API read and replace its document.
// To them, as to everybody else, an API that is not theirs is as one that does
// not exist.
package admin
