// Package seeds keeps the systems that Scopegate was asked for from working, each
// as one test from end to end that is named after its document (000 to 004; the
// last table of the design). In each are the compiled functions on Lambda's
// Runtime API, DynamoDB over the wire, an identity provider in Entra's shape, API
// Gateway's stand-in and, where tables are changed, the compiled command. It holds
// no code of its own.
package seeds
