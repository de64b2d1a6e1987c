// Package probe is a tiny Lambda authorizer that answers what its caller asks
// for, so that scopegate doctor can find out how API Gateway behaves where AWS
// does not say. In go authorizer events whose token is a [Plan]; out come policies
// (or errors) made to that plan. For the requests that are let through it is the
// backend as well, and answers with the authorizer's context.
//
// It belongs in front of a throw-away API of its own (deploy/probe) and of none
// else: whoever writes the token decides. So it is told the ids of its own APIs, and
// fails each call of another. Its tokens are no secrets, and its API gives away
// nothing but what the caller sent.
package probe
