// A plugin that prints one line when serverless-offline listens: it logs the port that it was given, which is 0, not the one it got.
export default class Ready {
  constructor(serverless) {
    this.hooks = {
      'after:offline:start:init': () => {
        const offline = serverless.pluginManager.plugins.find((plugin) => plugin.constructor.name === 'ServerlessOffline')
        console.log(`listening on ${offline.internals().getApiGatewayServer().info.uri}`)
      },
    }
  }
}
