// A plugin that prints one line when serverless-offline listens: it logs the port that it was given, which is 0, not the one it got.
// It ends serverless-offline with its standard input, too: however a test dies, nothing is left behind.
export default class Ready {
  constructor(serverless) {
    this.hooks = {
      'after:offline:start:init': () => {
        const offline = serverless.pluginManager.plugins.find((plugin) => plugin.constructor.name === 'ServerlessOffline')
        process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume()
        console.log(`listening on ${offline.internals().getApiGatewayServer().info.uri}`)
      },
    }
  }
}
