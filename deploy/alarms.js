'use strict';

// Alarms on the metrics that the functions' log lines carry (README, "Operating"), and on AWS's own where nothing of ours can
// tell. In go the names of the functions and whom to tell; out comes a part of the template.
//
// Every metric of ours is by the dimension `function`. Where one is missing nothing went wrong: none but KeyAge is ever 0.
// There is no alarm on the authorizer's Errors: a 401 is one to Lambda, so that anybody could ring it.

const minutes = 60; // seconds

function alarm(actions, description, metric, more) {
  return {
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      AlarmDescription: description,
      ...metric,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      Statistic: 'Sum',
      Threshold: 1,
      Period: 5 * minutes,
      EvaluationPeriods: 1,
      TreatMissingData: 'notBreaching',
      AlarmActions: actions,
      OKActions: actions,
      ...more,
    },
  };
}

const ours = (name, fn) => ({ Namespace: 'Scopegate', MetricName: name, Dimensions: [{ Name: 'function', Value: fn }] });
const lambdas = (name, fn) => ({ Namespace: 'AWS/Lambda', MetricName: name, Dimensions: [{ Name: 'FunctionName', Value: fn }] });
const queues = (name, id) => ({ Namespace: 'AWS/SQS', MetricName: name, Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [id, 'QueueName'] } }] });

const maximum = (threshold) => ({ Statistic: 'Maximum', Threshold: threshold });
const keysAge = { ...maximum(7200), Period: 15 * minutes };

// crashes counts what the runtime says of a function that does not start, ends or takes too long: it can write no line of its
// own then. (AWS: "Troubleshoot execution issues in Lambda". Nothing that a client sends is in these lines or in ours.)
function crashes(id, fn) {
  return {
    Type: 'AWS::Logs::MetricFilter',
    Properties: {
      LogGroupName: { Ref: `${id}LogGroup` },
      FilterPattern: '?"Runtime.ExitError" ?"Runtime.InvalidEntrypoint" ?"Task timed out" ?"Status: timeout"',
      MetricTransformations: [{ MetricNamespace: 'Scopegate/Runtime', MetricName: fn, MetricValue: '1', Unit: 'Count' }],
    },
  };
}

function ofAuthorizer(id, fn, actions) {
  const of = (description, metric, more) => alarm(actions, `${fn}: ${description}`, metric, more);
  return {
    [`${id}Failed`]: of('requests answered 500, nothing was decided', ours('Failed', fn)),
    [`${id}PolicyTooLarge`]: of('callers whose policy does not fit (scopegate lint)', ours('PolicyTooLarge', fn)),
    [`${id}StaleTable`]: of('DynamoDB fails, an older table is served', ours('StaleTable', fn)),
    [`${id}StaleRevocations`]: of('DynamoDB fails, older revocations are believed', ours('StaleRevocations', fn)),
    [`${id}KeyAge`]: of("an issuer's keys were not fetched for two hours, after a day they are given up", ours('KeyAge', fn), keysAge),
    [`${id}Throttles`]: of('calls that Lambda did not take, API Gateway answers 500', lambdas('Throttles', fn)),
    [`${id}Crashes`]: crashes(id, fn),
    [`${id}Crashed`]: of('it does not start (its settings?), ends or takes too long', { Namespace: 'Scopegate/Runtime', MetricName: fn }),
  };
}

function ofAdmin(id, fn, actions) {
  const of = (description, metric, more) => alarm(actions, `${fn}: ${description}`, metric, more);
  return {
    // A flush that failed comes again: it is one that goes on failing that somebody must look at.
    FlushFailed: of("API Gateway's caches are not emptied, effectiveBy is not kept", ours('FlushFailed', fn), { EvaluationPeriods: 3, DatapointsToAlarm: 2 }),
    FlushLate: of('second flushes wait in the queue and nobody makes them', queues('ApproximateAgeOfOldestMessage', 'FlushQueue'), maximum(30 * minutes)),
    FlushDeadLetter: of('flushes that never succeeded', queues('ApproximateNumberOfMessagesVisible', 'FlushDeadLetters'), maximum(1)),
    [`${id}KeyAge`]: of("an issuer's keys were not fetched for two hours, after a day they are given up", ours('KeyAge', fn), keysAge),
    [`${id}Errors`]: of('events that it did not answer', lambdas('Errors', fn)),
    [`${id}Throttles`]: of('calls that Lambda did not take', lambdas('Throttles', fn)),
  };
}

// alarms are those of authorizers and of the admin function, each {id, name}.
exports.alarms = (authorizers, admin, actions) => ({
  Resources: Object.assign({}, ...authorizers.map((a) => ofAuthorizer(a.id, a.name, actions)), ofAdmin(admin.id, admin.name, actions)),
});

const widget = (x, y, title, metrics, more) => ({
  type: 'metric',
  x,
  y,
  width: 8,
  height: 6,
  properties: { title, region: '${AWS::Region}', view: 'timeSeries', stat: 'Sum', period: 300, metrics, ...more },
});

// by searches a metric of all functions by their reasons.
const by = (name, functions) => functions.map((fn) => [
  { expression: `SEARCH('{Scopegate,function,reason} MetricName="${name}" function="${fn}"', 'Sum', 300)`, label: '' },
]);

exports.dashboard = (name, authorizers, admin) => {
  const auth = authorizers.map((a) => a.name);
  const all = [...auth, admin.name];
  const each = (metrics, functions) => functions.flatMap((fn) => metrics.map((m) => ['Scopegate', m, 'function', fn]));
  const lambda = (metrics, functions, more) => functions.flatMap((fn) => metrics.map((m) => ['AWS/Lambda', m, 'FunctionName', fn, ...more]));
  const widgets = [
    widget(0, 0, 'Failed (500), by reason', by('Failed', auth)),
    widget(8, 0, 'Tokens refused (401), by reason', by('TokenRefused', auth)),
    widget(16, 0, 'Authorizer calls', lambda(['Invocations', 'Throttles'], auth, [])),
    widget(0, 6, 'Older data served', each(['StaleTable', 'StaleRevocations'], auth)),
    widget(8, 6, 'Age of keys (s)', each(['KeyAge'], all), { stat: 'Maximum' }),
    widget(16, 6, 'Authorizer duration (ms)', lambda(['Duration'], auth, [{ stat: 'p50' }]).concat(lambda(['Duration'], auth, [{ stat: 'p99' }]))),
    widget(0, 12, 'Policies too large, flushes and fetches of keys that failed', [
      ...each(['PolicyTooLarge'], auth), ...each(['FlushFailed'], [admin.name]), ...each(['KeyRefreshFailed'], all),
    ]),
    widget(8, 12, 'Second flushes: waiting, age of the oldest (s), given up', [
      ['AWS/SQS', 'ApproximateNumberOfMessagesDelayed', 'QueueName', '${FlushQueue.QueueName}'],
      ['AWS/SQS', 'ApproximateAgeOfOldestMessage', 'QueueName', '${FlushQueue.QueueName}'],
      ['AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'QueueName', '${FlushDeadLetters.QueueName}'],
    ], { stat: 'Maximum' }),
    widget(16, 12, 'Admin function', lambda(['Invocations', 'Errors', 'Throttles'], [admin.name], [])),
  ];
  return {
    Resources: {
      Dashboard: { Type: 'AWS::CloudWatch::Dashboard', Properties: { DashboardName: name, DashboardBody: { 'Fn::Sub': JSON.stringify({ widgets }) } } },
    },
  };
};
