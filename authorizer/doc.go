// Package authorizer is the pipeline of the Lambda function: an event of API
// Gateway goes in, the caller's complete policy comes out.
//
//	event -> bearer -> claims -> table -> policy -> answer
//
// Each stage is a package of its own; this one reads events, puts the stages in
// order, writes answers and logs one line per decision. A denial is an answer, a
// failure is an error: an outage of the identity provider or of the store never
// comes out as a policy that denies, nor as a 401.
package authorizer
