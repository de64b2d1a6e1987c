// What the service gets of the caller: only calls that the authorizer allowed come here.
export const handle = async (event) => {
  const { principalId, scp, roles } = event.requestContext.authorizer;
  return {
    statusCode: 200,
    headers: { "Access-Control-Allow-Origin": process.env.ORIGIN, "Content-Type": "application/json" },
    body: JSON.stringify({ route: `${event.httpMethod} ${event.resource}`, principalId, scp, roles }),
  };
};
