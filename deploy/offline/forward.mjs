// The handlers that serverless-offline calls. Each hands its event to the bootstrap that is deployed, and gives back what that
// answers. On the way an event of an authorizer is made what API Gateway sends, and the answer is made to fit serverless-offline's
// invented ids again; README.md lists every difference. SCOPEGATE_OFFLINE names a JSON file:
//
//	{"functions": {NAME: {"bootstrap": PATH, "environment": {…}}}, "api": "{account}:{apiId}", "journal": PATH, "fault": ""}
//
// It is read again for each event, so that a test can switch a fault on.
import {appendFileSync, readFileSync} from 'node:fs'
import {Bootstrap} from './runtime.mjs'

const invented = 'random-account-id:random-api-id'
const timeout = 10_000

// An answer for faults: it opens everything.
const everything = {
  principalId: 'user',
  policyDocument: {Version: '2012-10-17', Statement: [{Effect: 'Allow', Action: 'execute-api:Invoke', Resource: '*'}]},
  isAuthorized: true,
  statusCode: 200,
}

let bootstrap // of this thread: serverless-offline gives each execution environment one

// rest is the authorizer of REST APIs, http and simple are those of HTTP APIs.
export const rest = (event) => authorize('authorizer', event, event.type === 'TOKEN' ? tokenEvent : requestEvent)
export const http = (event) => authorize('authorizer', event, httpEvent)
export const simple = (event) => authorize('simple', event, simpleEvent)
export const admin = (event) => forward('admin', event, (answer) => ({status: answer.statusCode}))

async function authorize(name, event, translate) {
  const sent = translate(event, settings().api)
  const asked = {arn: sent.methodArn ?? sent.routeArn, came: event.methodArn ?? event.routeArn, shape: shapeOf(sent)}
  const answer = await forward(name, sent, (given) => ({...asked, ...summary(given)}), asked)
  return retranslate(answer, settings())
}

// forward asks the bootstrap and writes one line of the journal: what was asked and how it was answered. No token is in it.
async function forward(name, event, describe, asked = {}) {
  const {functions, journal, fault} = settings()
  if (fault === 'off') throw new Error('the forwarder is switched off')
  const note = (line) => appendFileSync(journal, JSON.stringify({function: name, ...line}) + '\n')
  try {
    if (bootstrap === undefined || bootstrap.ended) bootstrap = await Bootstrap.start(functions[name].bootstrap, functions[name].environment, timeout)
    const answer = await bootstrap.invoke(event)
    note(describe(answer))
    return answer
  } catch (error) {
    note({...asked, error: error.message})
    if (fault === 'lax') return everything
    throw error
  }
}

// The events. API Gateway sends a TOKEN authorizer three fields, sends REST REQUEST authorizers neither a version nor an identity
// source, and names the concrete path in the ARN, where serverless-offline has the route's template.

const tokenEvent = (event, api) => ({
  type: 'TOKEN',
  authorizationToken: event.authorizationToken,
  methodArn: concrete(event.methodArn, event.path.replace(/^\/[^/]+/, ''), api),
})

function requestEvent({version, identitySource, authorizationToken, enhancedAuthContext, ...event}, api) {
  const path = event.path.replace(/^\/[^/]+/, '') // without the stage, as on AWS
  return {...event, path, resource: greedy(event.resource), methodArn: concrete(event.methodArn, path, api)}
}

function httpEvent({enhancedAuthContext, ...event}, api) {
  if (event.version === '2.0') return {...event, routeKey: greedy(event.routeKey), routeArn: concrete(event.routeArn, event.rawPath, api)}
  return {...event, resource: greedy(event.resource), methodArn: concrete(event.methodArn, event.path, api)}
}

// simpleEvent has both identity sources of serverless.yml: serverless-offline looks at the first alone.
function simpleEvent(event, api) {
  const sent = httpEvent(event, api)
  return {...sent, identitySource: [...sent.identitySource, sent.routeKey]}
}

const greedy = (template) => template.replace('*}', '+}')

const concrete = (arn, path, api) => arn.replace(invented, api).split('/').slice(0, 3).join('/') + path

const shapeOf = (event) => (event.type === 'TOKEN' ? 'TOKEN' : `REQUEST ${event.version ?? ''}`.trim())

const summary = (answer) => ({
  authorized: answer.isAuthorized,
  allows: count(answer, 'Allow'),
  denies: count(answer, 'Deny'),
})

const count = (answer, effect) => (answer.policyDocument?.Statement ?? []).filter((s) => s.Effect === effect).length

// retranslate gives the answer the ids that serverless-offline compares with. A fault changes what it says: tests show by it which
// of their rows would notice, and what serverless-offline does not look at.
function retranslate(answer, {api, fault}) {
  if (fault === 'wide') return {...everything, ...answer, policyDocument: everything.policyDocument, isAuthorized: true}
  const changed = JSON.parse(JSON.stringify(answer).replaceAll(`:${api}/`, `:${invented}/`))
  if (fault === 'open' && 'isAuthorized' in changed) changed.isAuthorized = true
  for (const statement of changed.policyDocument?.Statement ?? []) {
    if (fault === 'open') statement.Effect = 'Allow'
    if (fault === 'shut') statement.Effect = 'Deny'
    if (fault === 'ended') statement.Condition = {DateLessThan: {'aws:CurrentTime': '2001-01-01T00:00:00Z'}}
    if (fault === 'action') statement.Action = 'execute-api:ManageConnections'
  }
  if (fault === 'shut' && 'isAuthorized' in changed) changed.isAuthorized = false
  return changed
}

function settings() {
  return JSON.parse(readFileSync(process.env.SCOPEGATE_OFFLINE, 'utf8'))
}
