import { fullPath, routes } from '@spooled/contracts';

import { SpooledClient } from './client.js';

/** What no method calls, and why. */
const exceptions: Readonly<Record<string, string>> = {
  'GET /api/v1/ws': 'opened by events(), as sdk-events tests',
  'GET /api/v1/events': 'opened by events(), as sdk-events tests',
  'GET /api/v1/events/jobs/:id': 'events({ jobId }) says the same, and resumes',
  'GET /api/v1/events/queues/:name': 'events({ queue }) says the same, and resumes',
  'POST /api/v1/billing/webhook': 'called by Stripe',
  'GET /metrics': 'read by Prometheus',
  'GET /api/v1/openapi.json': 'read by generators of clients',
  'GET /api/v1/asyncapi.json': 'read by generators of clients',
};

type Method = (...values: unknown[]) => Promise<unknown>;

/** Good wherever an id, ids, a body or options are wanted. */
const anything = Object.assign(['id'], { jobs: [], signature: 's', githubEvent: 'push' });

function resourcesIn(value: object): Record<string, Method>[] {
  return Object.values(value)
    .filter((each: unknown): each is Record<string, Method> =>
      /Resource$/.test(String(each?.constructor.name)),
    )
    .flatMap((resource) => [resource, ...resourcesIn(resource)]);
}

/** Calls every method of every resource once; gives what was asked of the server. */
async function everyRequest(): Promise<string[]> {
  const requests: string[] = [];
  const client = new SpooledClient({
    fetch: async (url, request) => {
      requests.push(`${request?.method} ${new URL(url).pathname}`);
      return Response.json({ id: 'id' });
    },
  });
  for (const resource of resourcesIn(client)) {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
      if (name === 'constructor' || name === 'wait') continue;
      // Those that are private take something else; what they throw is not what this is about.
      await (async () => resource[name]?.(anything, anything, anything))().catch(() => undefined);
    }
  }
  return requests;
}

it('has a method for every route of the contracts', async () => {
  const requests = await everyRequest();
  const missing = routes
    .map((spec) => ({ line: `${spec.method} ${fullPath(spec)}`, spec }))
    .filter(({ line }) => exceptions[line] === undefined)
    .filter(({ line }) => {
      const pattern = new RegExp(`^${line.replace(/:\w+/g, 'id')}$`);
      return !requests.some((request) => pattern.test(request));
    })
    .map(({ line }) => line);
  expect(missing).toEqual([]);
});

it('excepts nothing that is not there', () => {
  const lines = routes.map((spec) => `${spec.method} ${fullPath(spec)}`);
  expect(Object.keys(exceptions).filter((line) => !lines.includes(line))).toEqual([]);
});
