// The Runtime API of AWS Lambda for one bootstrap (AWS: "Using the Lambda runtime API for custom runtimes"): an event goes in,
// the bootstrap's answer comes out, or the error that it reported. internal/lambdaruntime is the same in Go, for tests that need
// no gateway.
import {spawn} from 'node:child_process'
import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {createServer} from 'node:http'

const routes = /^\/2018-06-01\/runtime\/(invocation\/next|init\/error|invocation\/([^/]+)\/(response|error))$/

// Bootstrap is one execution environment. It ends with its thread: a bootstrap whose Runtime API is gone exits.
export class Bootstrap {
  #waiting = [] // answers to `next` that wait for an event
  #events = [] // events that wait for a `next`
  #underWay = new Map()
  #end // why nothing can be asked any more

  // start runs the binary with this environment and nothing else. Events may be given to it at once.
  static async start(binary, environment, timeout) {
    const bootstrap = new Bootstrap()
    bootstrap.timeout = timeout
    const server = createServer((request, response) => bootstrap.#serve(request, response).catch((error) => bootstrap.#fail(error)))
    server.keepAliveTimeout = 0 // a connection that is closed while the function works would lose its answer
    server.requestTimeout = 0
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const api = `127.0.0.1:${server.address().port}`
    const child = spawn(binary, [], {
      env: {PATH: '/usr/local/bin:/usr/bin:/bin', TZ: ':UTC', ...environment, AWS_LAMBDA_RUNTIME_API: api},
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    child.on('error', (error) => bootstrap.#fail(error))
    child.on('exit', (code, signal) => {
      bootstrap.#fail(new Error(`the bootstrap ended with ${signal ?? code}`))
      server.close()
    })
    return bootstrap
  }

  get ended() {
    return this.#end !== undefined
  }

  // invoke resolves to what the bootstrap answers, and fails with its errorMessage, which API Gateway compares whole.
  invoke(event) {
    if (this.ended) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => {
      this.#events.push({id: randomUUID(), event, resolve, reject})
      this.#deliver()
    })
  }

  async #serve(request, response) {
    const [, what, id, kind] = routes.exec(request.url) ?? []
    if (what === 'invocation/next') {
      this.#waiting.push(response)
      response.on('close', () => (this.#waiting = this.#waiting.filter((r) => r !== response)))
      return this.#deliver()
    }
    const body = await text(request)
    if (what === 'init/error') this.#fail(new Error(`the bootstrap does not start: ${body}`))
    const invocation = this.#underWay.get(id)
    response.writeHead(what === 'init/error' || invocation ? 202 : 400, {'content-type': 'application/json'}).end('{}')
    if (!invocation) return
    this.#underWay.delete(id)
    if (kind === 'response') invocation.resolve(JSON.parse(body))
    else invocation.reject(new Error(JSON.parse(body).errorMessage))
  }

  #deliver() {
    if (this.#waiting.length === 0 || this.#events.length === 0) return
    const response = this.#waiting.shift()
    const invocation = this.#events.shift()
    this.#underWay.set(invocation.id, invocation)
    response.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': invocation.id,
      'lambda-runtime-deadline-ms': String(Date.now() + this.timeout),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:us-east-1:219852565112:function:scopegate-offline',
    })
    response.end(JSON.stringify(invocation.event))
  }

  #fail(error) {
    this.#end ??= error
    for (const {reject} of [...this.#underWay.values(), ...this.#events]) reject(error)
    this.#underWay.clear()
    this.#events = []
  }
}

async function text(request) {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}
