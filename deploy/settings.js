'use strict';

// What the template needs of a stage's parameters. In go those of stages.yml and of --param; out come the functions'
// environments and what depends on choices. A parameter that is missing, misspelt or of the wrong form is an error that names
// it: better here than when the functions start. All other rules are the functions' own (internal/config).

const { alarms, dashboard } = require('./alarms');

// The settings of README's table that a stage may give. Those of the stack's own things (TABLE_NAME, FLUSH_QUEUE_URL) are not
// among them.
const authorizerOnly = ['CACHE_MAX_STALE', 'CACHE_SIZE', 'TOKEN_CACHE_SIZE', 'TOKEN_CACHE_TTL', 'INVALID_TOKEN', 'HTTP_API_RESPONSE'];
const adminOnly = ['ADMIN_AUDIENCES', 'ADMIN_TENANT_IDS', 'ADMIN_SCOPE', 'ADMIN_ROLE', 'FLUSH_AUTHORIZER_CACHE'];
// CACHE_TTL is among these: the admin function reckons with the authorizer's.
const both = [
  'ENTRA_TENANT_IDS', 'ENTRA_AUTHORITY', 'ENTRA_STS', 'OIDC_ISSUERS', 'OIDC_AUDIENCES', 'OIDC_ALGORITHMS', 'OIDC_JWKS_FILE',
  'CLOCK_SKEW', 'CACHE_TTL', 'POLICY_SCOPE', 'POLICY_EXPLICIT_DENY', 'POLICY_MAX_BYTES', 'POLICY_EXPIRY', 'LOG_LEVEL',
];
const settings = [...both, ...authorizerOnly, ...adminOnly];
const others = [
  'region', 'tableName', 'accounts', 'alarmTopicArn', 'logRetentionDays', 'tracing', 'authorizerMemory', 'authorizerProcessors',
  'adminMemory',
  'adminIssuer', 'layers', 'simple',
];

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

class Parameters {
  constructor(stage, region, values) {
    this.stage = stage;
    this.region = region;
    this.values = values;
    this.faults = [];
  }

  text(name) {
    const value = this.values[name];
    return Array.isArray(value) ? value.join(' ') : String(value == null ? '' : value).trim();
  }

  list(name) {
    return this.text(name).split(/\s+/).filter(Boolean);
  }

  fault(name, rule) {
    this.faults.push(`${name} "${this.text(name)}": ${rule}`);
  }

  form(name, form, rule) {
    for (const value of this.list(name)) {
      if (!form.test(value)) this.fault(name, rule);
    }
  }

  // inRegion: CloudFormation would refuse what is elsewhere, after it has made half of the stack.
  inRegion(name) {
    for (const arn of this.list(name)) {
      const region = arn.split(':')[3];
      if (region && region !== this.region) this.fault(name, `must be of the stack's region, ${this.region}`);
    }
  }

  required(name, why) {
    if (this.text(name) === '') this.fault(name, `must be given${why}`);
  }

  number(name, least, most) {
    const value = Number(this.text(name));
    if (!Number.isInteger(value) || value < least || value > most) this.fault(name, `must be a number from ${least} to ${most}`);
    return value;
  }

  environment(names) {
    const out = {};
    for (const name of names) {
      if (this.text(name) !== '') out[name] = this.text(name);
    }
    return out;
  }
}

// check lists every fault at once.
function check(p) {
  for (const name of Object.keys(p.values)) {
    if (!settings.includes(name) && !others.includes(name)) p.fault(name, 'is no parameter; those there are stand in deploy/settings.js');
  }
  if (p.text('OIDC_ISSUERS') === '') p.required('ENTRA_TENANT_IDS', ': whose tokens are good');
  p.required('OIDC_AUDIENCES', ': a token for another service must not open this one');
  p.required('ADMIN_TENANT_IDS', ': whose tokens may change tables');
  p.required('ADMIN_AUDIENCES', ': a token for another service must not change tables');
  p.form('ENTRA_TENANT_IDS', guid, 'must be tenant ids (GUIDs)');
  p.form('ADMIN_TENANT_IDS', guid, 'must be tenant ids (GUIDs)');
  p.form('tableName', /^[A-Za-z0-9_.-]{3,255}$/, 'must be the name of a table');
  p.form('accounts', /^\d{12}$/, 'must be account ids of 12 digits');
  p.form('alarmTopicArn', /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$/, 'must be the ARN of an SNS topic');
  p.form('layers', /^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:layer:[A-Za-z0-9_-]+:\d+$/, 'must be ARNs of layers, each with its version');
  p.inRegion('alarmTopicArn');
  p.inRegion('layers');
  for (const name of ['tracing', 'simple']) {
    if (!['on', 'off'].includes(p.text(name))) p.fault(name, "must be 'on' or 'off'");
  }
  p.form('adminIssuer', /^https:\/\/[^\s?#]+$/, 'must be the https URL of an issuer');
  if (p.list('ADMIN_TENANT_IDS').length > 1 && p.text('adminIssuer') === '') {
    p.fault('adminIssuer', "must be given where ADMIN_TENANT_IDS names several: API Gateway's authorizer checks one issuer, and lets nobody else pass");
  }
}

// placeholders are the parameters that still have a value of stage example: nobody's tenant, no service's audience.
const nobodys = ['00000000-0000-4000-8000-000000000000', 'api://example', 'api://example-admin'];

function placeholders(p) {
  const identifying = ['ENTRA_TENANT_IDS', 'OIDC_AUDIENCES', 'ADMIN_TENANT_IDS', 'ADMIN_AUDIENCES'];
  return identifying.filter((name) => p.list(name).some((value) => nobodys.includes(value.toLowerCase())));
}

function adminIssuer(p) {
  const authority = (p.text('ENTRA_AUTHORITY') || 'https://login.microsoftonline.com').replace(/\/$/, '');
  return p.text('adminIssuer') || `${authority}/${p.text('ADMIN_TENANT_IDS').toLowerCase()}/v2.0`;
}

function permission(id, account) {
  return {
    Type: 'AWS::Lambda::Permission',
    Properties: {
      Action: 'lambda:InvokeFunction',
      FunctionName: { 'Fn::GetAtt': [`${id}LambdaFunction`, 'Arn'] },
      Principal: 'apigateway.amazonaws.com',
      SourceArn: { 'Fn::Sub': `arn:\${AWS::Partition}:execute-api:\${AWS::Region}:${account}:*/authorizers/*` },
    },
  };
}

// permissions let API Gateway call the authorizers: this account's, and those of the accounts that are named.
function permissions(p, authorizers) {
  const out = {};
  for (const { id } of authorizers) {
    out[`${id}Permission`] = permission(id, '${AWS::AccountId}');
    for (const account of p.list('accounts')) out[`${id}Permission${account}`] = permission(id, account);
  }
  return { Resources: out };
}

// simple is the environment of the authorizer that answers true or false. Such an answer is no policy, so that what shapes
// policies contradicts it (internal/config).
function simple(authorizer) {
  const out = { ...authorizer, HTTP_API_RESPONSE: 'simple' };
  delete out.POLICY_SCOPE;
  delete out.POLICY_EXPLICIT_DENY;
  return out;
}

function derive(p) {
  const made = p.text('tableName') === '';
  const table = {
    TABLE_NAME: made ? { Ref: 'Table' } : p.text('tableName'),
  };
  // Lambda gives an execution environment one request at a time: more threads that run Go code only hand it to each other
  // (docs/cold-start.md has the figures, and why GOGC stays as it is).
  const runtime = { GOMAXPROCS: String(p.number('authorizerProcessors', 1, 6)) };
  const authorizer = { ...table, ...runtime, ...p.environment([...both, ...authorizerOnly]) };
  const withSimple = p.text('simple') === 'on';
  const authorizers = [{ id: 'Authorizer', name: `scopegate-${p.stage}-authorizer` }];
  if (withSimple) authorizers.push({ id: 'AuthorizerSimple', name: `scopegate-${p.stage}-authorizer-simple` });
  const admin = { id: 'Admin', name: `scopegate-${p.stage}-admin` };
  return {
    authorizer,
    authorizerSimple: simple(authorizer),
    simple: withSimple ? 'on' : 'off',
    admin: { ...table, FLUSH_QUEUE_URL: { Ref: 'FlushQueue' }, ...p.environment([...both, ...adminOnly]) },
    placeholders: placeholders(p),
    table: made ? 'made' : 'adopted',
    tableName: table.TABLE_NAME,
    tableArn: made
      ? { 'Fn::GetAtt': ['Table', 'Arn'] }
      : { 'Fn::Sub': `arn:\${AWS::Partition}:dynamodb:\${AWS::Region}:\${AWS::AccountId}:table/${p.text('tableName')}` },
    adminIssuer: adminIssuer(p),
    adminAudiences: p.list('ADMIN_AUDIENCES'),
    alarms: alarms(authorizers, admin, p.list('alarmTopicArn')),
    dashboard: dashboard(`scopegate-${p.stage}`, authorizers, admin),
    tracing: p.text('tracing') === 'on' ? 'Active' : 'PassThrough',
    tracingPolicies: p.text('tracing') === 'on' ? [{ 'Fn::Sub': 'arn:${AWS::Partition}:iam::aws:policy/AWSXRayDaemonWriteAccess' }] : [],
    logRetentionDays: p.number('logRetentionDays', 1, 3653),
    authorizerMemory: p.number('authorizerMemory', 128, 10240),
    adminMemory: p.number('adminMemory', 128, 10240),
    layers: p.list('layers'),
    permissions: permissions(p, authorizers),
  };
}

// given are a stage's parameters: --param before the stage's before the default ones.
async function given({ options, resolveVariable }) {
  const stage = await resolveVariable('sls:stage');
  const all = await resolveVariable('self:params');
  const values = { ...all.default, ...all[stage] };
  for (const item of options.param || []) {
    const at = item.indexOf('=');
    if (at > 0) values[item.slice(0, at)] = item.slice(at + 1);
  }
  return new Parameters(stage, options.region || String(values.region), values);
}

module.exports = async (context) => {
  const p = await given(context);
  check(p);
  const out = derive(p);
  if (p.faults.length > 0) {
    const error = new Error(`stage ${p.stage} (deploy/stages.yml):\n  ${p.faults.join('\n  ')}`);
    error.stack = error.message; // osls prints the stack
    throw error;
  }
  return out;
};
