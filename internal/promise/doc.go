// Package promise tests, from end to end, what the answer to a change promises:
// after effectiveBy no request is allowed that the change forbids, although API
// Gateway keeps answers for an hour. In it are two authorizer instances, both
// flavours of API Gateway, the admin API over HTTP, a store and durable jobs, on
// one clock that only the tests move. It holds no code of its own.
package promise
