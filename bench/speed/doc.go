// Command speed measures the authorizer function beside other bootstraps, each
// compiled as it is shipped and run by the repo's Lambda Runtime API: cold starts,
// calls with a token that is known, calls with new ones, processor time, memory,
// sizes. In go flags; out comes a table in Markdown, or JSON, and what has become of
// each goal.
//
// Every figure comes from one run in which all rows take turns in random order, and
// is given as a ratio to another row of that run.
package main
