// Command cost reckons what an API costs to guard: how often API Gateway asks the
// authorizer, and how often the authorizer asks DynamoDB, for a million requests. In
// go callers, instances and the two times for which something is kept; out comes a
// table. What it is reckoned with is checked in the tests against calls that were
// counted, between API Gateway's stand-in, authorizers and a DynamoDB on the wire.
package main

import "time"

// Load is the traffic of one stage and how long what is kept.
type Load struct {
	Callers   int           // tokens in use at the same time
	Every     time.Duration // a caller's requests are so far apart, on average
	Instances int           // of the authorizer function, warm
	Gateway   time.Duration // TTL of API Gateway's authorizer cache
	Table     time.Duration // CACHE_TTL
}

// million is what all figures are for: this many requests.
const million = 1e6

// readsPerRefresh is what an instance asks when CACHE_TTL has passed and nothing has
// changed: the table's head and the head of the revocations, one GetItem each.
const readsPerRefresh = 2

// mostReads is the same for each call where CACHE_TTL is 0: revocations are read
// ahead, side by side with the table, and that is over by the time they are asked
// about, so that they may be read once more.
const mostReads = 3

// Calls are the calls of the authorizer for a million requests that come at random.
// An answer is kept for Gateway from the call that it is of; then the caller's next
// request, after Every on average, is a call again.
func (l Load) Calls() float64 {
	return million * seconds(l.Every) / (seconds(l.Gateway) + seconds(l.Every))
}

// Reads are the GetItems for a million requests while no table changes, where it is
// at random which instance is called. An instance asks at its first call after Table
// has passed. With a Table of 0 they are readsPerRefresh for each call at least, and
// mostReads at most.
func (l Load) Reads() float64 {
	calls := l.Calls() / l.Seconds() // of all instances, in a second
	between := seconds(l.Table) + float64(l.Instances)/calls
	return readsPerRefresh * float64(l.Instances) / between * l.Seconds()
}

// MostCalls is a bound for the calls within a time, whatever the traffic: one for
// each caller whenever an answer has ended, and never more than requests.
func (l Load) MostCalls(requests int, within time.Duration) int {
	if l.Gateway == 0 {
		return requests
	}
	return min(requests, l.Callers*(1+int(within/l.Gateway)))
}

// MostReads is a bound for the GetItems of warm instances within a time, whatever
// the traffic: a refresh of each instance whenever CACHE_TTL has passed, and never
// more than one for each call.
func (l Load) MostReads(calls int, within time.Duration) int {
	if l.Table == 0 {
		return mostReads * calls
	}
	return readsPerRefresh * min(calls, l.Instances*(1+int(within/l.Table)))
}

// Seconds is how long a million requests take.
func (l Load) Seconds() float64 { return million * seconds(l.Every) / float64(l.Callers) }

func seconds(d time.Duration) float64 { return d.Seconds() }
