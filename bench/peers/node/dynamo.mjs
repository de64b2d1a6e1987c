// Permissions of DynamoDB: a Query for each scope of each request, or, with MAP=1, kept in a Map for half a minute.
import { DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb';
import { authorizer } from './authorizer.mjs';
import { serve } from './runtime.mjs';

const client = new DynamoDBClient({});
const ttl = 30_000;
const known = new Map();

async function query(scope) {
  const { Items } = await client.send(new QueryCommand({
    TableName: process.env.PEERS_TABLE,
    KeyConditionExpression: 'pk = :pk AND begins_with(sk, :scope)',
    ExpressionAttributeValues: { ':pk': { S: process.env.PEERS_KEY }, ':scope': { S: `${scope}#` } },
  }));
  return Items.map((i) => ({ arn: i.arn.S, stage: i.stage.S, httpVerb: i.httpVerb.S, resource: i.resource.S }));
}

async function kept(scope) {
  const hit = known.get(scope);
  if (hit !== undefined && Date.now() < hit.until) return hit.list;
  const list = await query(scope);
  known.set(scope, { list, until: Date.now() + ttl });
  return list;
}

authorizer(process.env.MAP ? kept : query).then(serve);
