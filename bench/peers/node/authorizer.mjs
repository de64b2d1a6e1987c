// An authorizer in Node on aws-jwt-verify. In goes a function that gives the permissions of a scope; out comes a handler.
import { JwtVerifier } from 'aws-jwt-verify';

export async function authorizer(permissionsOf) {
  const verifier = JwtVerifier.create({ issuer: process.env.ISSUER, audience: process.env.AUDIENCE, jwksUri: process.env.JWKS_URL });
  await verifier.hydrate();
  return async (event) => {
    const value = event.headers.Authorization ?? '';
    let claims;
    try {
      claims = await verifier.verify(value.startsWith('Bearer ') ? value.slice(7) : '');
    } catch {
      throw new Error('Unauthorized');
    }
    const statements = [];
    for (const scope of (claims.scp ?? '').split(' ').filter(Boolean)) {
      for (const p of await permissionsOf(scope)) statements.push(statement(p));
    }
    if (statements.length === 0) statements.push({ Action: 'execute-api:Invoke', Effect: 'Deny', Resource: '*' });
    return {
      principalId: `${claims.tid}:${claims.oid}`,
      policyDocument: { Version: '2012-10-17', Statement: statements },
      context: { scp: claims.scp },
    };
  };
}

function statement({ arn, stage, httpVerb, resource }) {
  const path = resource.replace(/^\//, '').replace(/\{[^/]*\}/g, '*');
  return { Action: 'execute-api:Invoke', Effect: 'Allow', Resource: `${arn}/${stage}/${httpVerb}/${path}` };
}
