// What the service gets of the caller: the authorizer's context comes with $connect. Users report that API Gateway repeats it
// on every message; that is documented nowhere, so keep it by connectionId if anything hangs on it.
export const handle = async (event) => {
  const { routeKey, connectionId, authorizer } = event.requestContext;
  if (routeKey !== "$default") return { statusCode: 200 };
  return { statusCode: 200, body: JSON.stringify({ connectionId, principalId: authorizer?.principalId, got: event.body }) };
};
