// Package policy turns a table and a caller into the caller's complete IAM
// policy, and decides what such a policy allows.
//
// In go a [mapping.Table], the permissions a caller holds now, and the request
// that invoked the authorizer; out comes a [Document] that API Gateway may
// cache and that still answers every other route of the API rightly. Compile
// is tested against one plain definition, [mapping.Table.Permits]; Evaluate is
// the other half of that test: it reads a document as API Gateway does.
package policy
