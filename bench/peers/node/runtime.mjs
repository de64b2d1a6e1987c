// The Runtime API's loop as Lambda's own runtime of Node has it: ask for an event, hand it to the handler, post its answer.
// (AWS's is C++ under JavaScript; this one is Node's http with one connection that is kept.)
import http from 'node:http';

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = http.request(api + path, { method, agent, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ id: response.headers['lambda-runtime-aws-request-id'], body: Buffer.concat(parts) }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

// serve runs until the process is ended. What the handler throws is the invocation's error.
export async function serve(handler) {
  for (;;) {
    const { id, body } = await call('GET', 'invocation/next');
    try {
      const answer = await handler(JSON.parse(body));
      await call('POST', `invocation/${id}/response`, JSON.stringify(answer));
    } catch (error) {
      await call('POST', `invocation/${id}/error`, JSON.stringify({ errorMessage: error.message, errorType: error.name }));
    }
  }
}
