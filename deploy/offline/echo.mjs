// The service behind the authorizers: it answers what API Gateway tells it of the caller.
export const handler = async (event) => ({statusCode: 200, body: JSON.stringify(event.requestContext.authorizer)})
