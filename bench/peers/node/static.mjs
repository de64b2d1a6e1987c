// Permissions of the file PERMISSIONS.
import { readFileSync } from 'node:fs';
import { authorizer } from './authorizer.mjs';
import { serve } from './runtime.mjs';

const scopes = new Map();
for (const p of JSON.parse(readFileSync(process.env.PERMISSIONS, 'utf8'))) {
  scopes.set(p.scope, [...(scopes.get(p.scope) ?? []), p]);
}

authorizer((scope) => scopes.get(scope) ?? []).then(serve);
