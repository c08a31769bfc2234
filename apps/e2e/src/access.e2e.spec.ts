/** Story 12: who may call what. Every route there is, with every kind of credential, and with what is another tenant's. */
import { routes, type RouteSpec } from '@spooled/contracts';
import { randomUUID } from 'node:crypto';

import { adminKey } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

type Headers = Readonly<Record<string, string>>;

/** A WebSocket is no plain request; the others of its service have the same guard. */
const plainRoutes = routes.filter(({ path }) => path !== '/ws');
const named = (spec: RouteSpec): string => `${spec.method} ${spec.path}`;

let world: World;
let own: Organization;
let other: Organization;
let credentials: Record<'none' | 'scoped key' | 'full key' | 'JWT' | 'admin key', Headers>;

beforeAll(async () => {
  world = await World.start('standalone', { env: { LOG_LEVEL: 'debug' } });
  own = await world.organization('access-own');
  other = await world.organization('access-other');
  const bearer = (credential: string): Headers => ({ authorization: `Bearer ${credential}` });
  const scoped = await own.client.post<{ key: string }>('/api-keys', {
    name: 'scoped',
    queues: ['emails'],
  });
  const login = await own.client.post<{ access_token: string }>('/auth/login', {
    api_key: own.key,
  });
  // With every route called, nothing of these may be in a log or a metric.
  for (const secret of [scoped.body.key, login.body.access_token]) world.host.secrets.add(secret);
  credentials = {
    none: {},
    'scoped key': bearer(scoped.body.key),
    'full key': bearer(own.key),
    JWT: bearer(login.body.access_token),
    'admin key': { 'x-admin-key': adminKey },
  };
});
afterAll(() => world?.stop());

interface Seen {
  readonly status: number;
  readonly code: string | undefined;
  /** The beginning of what a stream says. */
  readonly text: string;
}

async function ask(spec: RouteSpec, path: string, headers: Headers, body: unknown): Promise<Seen> {
  const base = world.host.bases()[0]!;
  const hasBody = spec.method !== 'GET' && spec.method !== 'DELETE';
  const response = await fetch(`${base}${spec.base ?? '/api/v1'}${path}`, {
    method: spec.method,
    headers: { ...headers, ...(hasBody ? { 'content-type': 'application/json' } : {}) },
    body: hasBody ? JSON.stringify(body) : null,
  });
  let text = '';
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    const reader = response.body!.getReader();
    const end = path.startsWith('/events/') ? 'data:' : '\n\n';
    while (!text.includes(end)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += Buffer.from(value).toString();
    }
    await reader.cancel();
  } else text = await response.text();
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  return { status: response.status, code, text };
}

/** With ids that nobody has, and a queue that the scoped key may use. */
const anyPath = ({ path }: RouteSpec): string =>
  path.replace(':name', 'emails').replace(/:\w+/g, () => randomUUID());

type Verdict = 'passes' | 401 | 403;
/** What the guard of a route says to each kind of credential: none, scoped key, full key, JWT, admin key. */
const verdicts: Readonly<Record<RouteSpec['auth'], readonly Verdict[]>> = {
  public: ['passes', 'passes', 'passes', 'passes', 'passes'],
  key: [401, 'passes', 'passes', 'passes', 401],
  stream: [401, 'passes', 'passes', 'passes', 401],
  'full-key': [401, 403, 'passes', 'passes', 401],
  jwt: [401, 401, 401, 'passes', 401],
  admin: [401, 401, 401, 401, 'passes'],
};

describe('the guard', () => {
  // It ends the session of the token it is called with.
  const logout = plainRoutes.filter(({ path }) => path === '/auth/logout');
  const all = [...plainRoutes.filter((spec) => !logout.includes(spec)), ...logout];

  it.each(all.map((spec) => [named(spec), spec] as const))('of %s', async (_, spec) => {
    const expected = verdicts[spec.auth];
    // A scoped key must name a queue that it wants everything of.
    const body = spec.path === '/jobs/dlq/retry' ? { queue_name: 'emails' } : {};
    const withoutCredential = await ask(spec, anyPath(spec), {}, body);
    for (const [index, [kind, headers]] of Object.entries(credentials).entries()) {
      const { status, code } = await ask(spec, anyPath(spec), headers, body);
      const verdict =
        status === 401 ? 401 : status === 403 && code === 'ACCESS_DENIED' ? 403 : 'passes';
      // 501: payment is not configured.
      expect(status === 501 || status < 500).toBe(true);
      expect(status).not.toBe(429);
      // A public route looks at no credential of ours, but may want one of its own.
      if (spec.auth === 'public') expect([kind, status]).toEqual([kind, withoutCredential.status]);
      else expect([kind, verdict]).toEqual([kind, expected[index]]);
    }
  });
});

describe('what is another tenant’s', () => {
  /** Ids of the other tenant, by the first part of a path and the name of a parameter. */
  const foreign: Record<string, Record<string, string>> = {};

  beforeAll(async () => {
    const { client } = other;
    const created = async (path: string, body: object): Promise<string> => {
      const answer = await client.post<Record<string, string>>(path, body);
      expect([path, answer.status < 300]).toEqual([path, true]);
      return (answer.body['id'] ?? answer.body['workflow_id'])!;
    };
    const queue = { queue_name: 'emails', payload: {} };
    const job = await client.enqueue('emails', { scheduled_at: '2090-01-01T00:00:00Z' });
    const workflow = await created('/workflows', { name: 'w', jobs: [{ key: 'a', ...queue }] });
    const schedule = {
      name: 's',
      cron_expression: '0 0 1 1 *',
      queue_name: 'emails',
      payload_template: {},
    };
    const worker = { queue_name: 'emails', hostname: 'host' };
    const webhook = { name: 'h', url: 'http://localhost:9/h', events: ['job.created'] };
    foreign['jobs'] = { id: job };
    foreign['events'] = { id: job };
    foreign['workflows'] = { id: workflow, jobId: job };
    foreign['schedules'] = { id: await created('/schedules', schedule) };
    foreign['workers'] = { id: await created('/workers/register', worker) };
    foreign['outgoing-webhooks'] = {
      id: await created('/outgoing-webhooks', webhook),
      delivery_id: randomUUID(),
    };
    foreign['api-keys'] = { id: await created('/api-keys', { name: 'k' }) };
    foreign['organizations'] = { id: other.id, member: randomUUID() };
  });

  const bodies: Readonly<Record<string, object>> = {
    'POST /jobs/:id/complete': { worker_id: 'w' },
    'POST /jobs/:id/fail': { worker_id: 'w', error: 'e' },
    'POST /jobs/:id/heartbeat': { worker_id: 'w', lease_duration_secs: 30 },
    'POST /jobs/:id/progress': { worker_id: 'w', percent: 1 },
    'POST /jobs/:id/logs': { worker_id: 'w', lines: ['l'] },
    'POST /jobs/:id/dependencies': { depends_on: [randomUUID()] },
    'PUT /jobs/:id/priority': { priority: 1 },
    'POST /workers/:id/heartbeat': { current_jobs: 0 },
    'PUT /schedules/:id': { name: 'taken' },
    'PUT /outgoing-webhooks/:id': { name: 'taken' },
    'PUT /api-keys/:id': { name: 'taken' },
    'PUT /organizations/:id': { name: 'taken' },
  };

  const guarded: readonly RouteSpec['auth'][] = ['key', 'full-key', 'stream'];
  // Names of queues are each tenant's own.
  const withIds = plainRoutes.filter(
    ({ auth, path }) => guarded.includes(auth) && /:(?!name)/.test(path),
  );

  it.each(withIds.map((spec) => [named(spec), spec] as const))(
    'is unknown to %s',
    async (name, spec) => {
      const [, first = ''] = spec.path.split('/');
      const path = spec.path.replace(/:(\w+)/g, (_, parameter: string) => {
        const id = foreign[first]?.[parameter];
        if (id === undefined) throw new Error(`no id of another tenant for ${name}`);
        return id;
      });
      const seen = await ask(spec, path, credentials['full key'], bodies[name] ?? {});
      // EventSource cannot read the body of a 404.
      if (spec.auth === 'stream') expect(seen.text).toContain('Job not found');
      else expect([404, 405]).toContain(seen.status);
    },
  );

  it('is as it was', async () => {
    const { client } = other;
    const of = (resource: string): string => `/${resource}/${foreign[resource]!['id']}`;
    const read = async (resource: string): Promise<unknown> =>
      (await client.get(of(resource))).body;
    expect(await read('jobs')).toMatchObject({ status: 'scheduled', priority: 0 });
    expect(await read('workflows')).toMatchObject({ status: 'pending' });
    expect(await read('schedules')).toMatchObject({ name: 's', is_active: true, run_count: 0 });
    expect(await read('workers')).toMatchObject({ status: 'healthy' });
    expect(await read('outgoing-webhooks')).toMatchObject({ name: 'h', enabled: true });
    expect(await read('api-keys')).toMatchObject({ name: 'k', is_active: true });
    expect(await read('organizations')).toMatchObject({ name: 'E2E access-other' });
  });
});
