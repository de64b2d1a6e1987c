// What the service gets of the caller: API Gateway repeats the authorizer's context on every message of a connection.
export const handle = async (event) => {
  const { routeKey, connectionId, authorizer } = event.requestContext;
  if (routeKey !== "$default") return { statusCode: 200 };
  return { statusCode: 200, body: JSON.stringify({ connectionId, principalId: authorizer.principalId, got: event.body }) };
};
