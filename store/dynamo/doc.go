// Package dynamo keeps permission tables in one Amazon DynamoDB table. In go
// the calls of [store.Store]; out come GetItem and Query for reading, and one
// TransactWriteItems for each change.
//
// Keys are pk and sk, both strings. Neither ARNs nor stages hold a '#', so no
// two keys run together.
//
//	pk                                sk           what
//	meta#<arn>#<stage>                meta         head: revision, generation, name, owners, …; a tombstone after deletion
//	                                  snapshot     the whole table packed, for authorizers; the head names its data
//	api#<arn>#<stage>#<generation>    perm#<id>    permission, attributes named as in the wire format
//	                                  route#<id>   route
//	audit#<arn>#<stage>               <change id>  audit record; never changed, never removed
//	auditparts#<arn>#<stage>          <change id>#<try>#<n>  lists of a bulk change, in parts; those of a record are never changed, never removed
//	generations#<arn>#<stage>         <generation> a generation, or try, that may have items, and the head it was made from
//	                                  <generation>#<n>  lane: what the requests that write it are conditional on
//	apis                              <arn>#<stage> a table that exists
//	revocations                       meta         revision of all revocations
//	                                  principal#<id>  revocation; ttl is when DynamoDB may remove it
//	audit#revocations                 <change id>  audit record of a revocation; never changed, never removed
//	migrations                        …            the ledger of package migrations
//
// A generation is one set of a table's items. Small changes edit the one that
// the head names. A change that does not fit into one transaction writes a new
// generation under a fresh name, which nobody reads, and then one transaction
// makes the head name it; so a crash in between leaves the old table whole, and
// leftovers can never become part of a table. The lists of a bulk change's audit
// record are written before the transaction in the same way, under the name of the
// try. [Store.Clean] removes what is left over.
//
// The packed table is written with every change. A reader takes it where it is that
// of the head's revision, and reads the items otherwise: after a change by an older
// program, or where a table is too large. See decision 0016.
//
// Writing needs the actions GetItem, Query, PutItem, UpdateItem, DeleteItem,
// BatchWriteItem and ConditionCheckItem on the table, reading the first two.
//
// Attributes and items that this version does not know are kept and passed
// over. An item that it should know and cannot read is an error: to leave it
// out could change who gets in.
//
// [Reader] is the half that an authorizer needs; [Store] adds writing.
package dynamo
