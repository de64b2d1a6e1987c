package authorizer

import "unsafe"

// view is a string of the very bytes of b, without a copy. It is the one place
// where this package goes around the type system, and it is only for what a
// single call reads of its event.
//
// The trap: aws-lambda-go reads the next event into the same memory, so a view
// turns into another request's text once its call has returned. Nothing that
// outlives the call may keep one. What does is cloned where it is first kept:
// the API ([memory.api]), the token ([remembering.verify], [verifyAnew]), the route
// template ([memory.template]). TestNothingOfAnEventOutlivesItsCall overwrites each
// event after its call.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf is a string's bytes, without a copy. They must not be written.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
