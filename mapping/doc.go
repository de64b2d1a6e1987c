// Package mapping is the vocabulary of Scopegate: which requirement opens
// which route of which API.
//
// In come permissions as people, files and DynamoDB write them (the wire
// format); out comes a [Table], the permissions and routes of one API stage,
// whose [Table.Permits] is the definition of who may call what. Everything
// else (the compiled policy, the cache) is tested against that definition.
//
// Everything here is parsed once, at the edge, into types that cannot be wrong;
// it uses the standard library only and does no I/O. All values are immutable
// once made and safe for concurrent use.
package mapping
