// Package deploytest checks what is deployed, as far as it can be without AWS: the
// templates that serverless.yml and the examples become, their roles and alarms,
// the zips, deployment to a stand-in of AWS, and an API Gateway that is not ours in
// front of the compiled functions.
//
// All of it has the build tag deploy: it needs the zips and node_modules, which
// `make verify-deploy` makes first.
package deploytest
