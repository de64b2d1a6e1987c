// What the service gets of the caller: only calls that the authorizer allowed come here.
export const handle = async (event) => {
  const { oid, tid, scp, roles } = event.requestContext.authorizer.lambda;
  return { route: event.routeKey, oid, tid, scp, roles };
};
