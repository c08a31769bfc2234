/** Story 8: a credential that is taken away opens nothing any more, and what it had opened is cut. */
import { collectSse, eventually, WsClient } from '@spooled/testing';

import { hostKinds } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

/** What the contract allows, five seconds, and what a machine that is busy adds. */
const cutWithinMs = 30_000;

describe.each(hostKinds)('a revoked credential, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start(kind);
    organization = await world.organization('revocation');
  });
  afterAll(() => world?.stop());

  async function login(key: string): Promise<string> {
    const answer = await world.client('').post<{ access_token: string }>('/auth/login', {
      api_key: key,
    });
    answer.expectStatus(200);
    return answer.body.access_token;
  }

  async function createKey(name: string): Promise<{ id: string; key: string }> {
    const answer = await organization.client.post<{ id: string; key: string }>('/api-keys', {
      name,
    });
    answer.expectStatus(201);
    return answer.body;
  }

  async function open(credential: string) {
    const headers = { authorization: `Bearer ${credential}` };
    const socket = await WsClient.open(world.host.webSocketUrl('/ws'), { headers });
    const stream = await collectSse(world.host.url('/events'), { headers });
    expect(stream.status).toBe(200);
    return { socket, stream };
  }

  /** Cut in time, nothing delivered after, and every door closed. */
  async function expectLockedOut(
    credential: string,
    { socket, stream }: Awaited<ReturnType<typeof open>>,
  ): Promise<void> {
    const startedAt = performance.now();
    expect(await socket.closed).toMatchObject({ code: 4401 });
    await stream.ended;
    expect(performance.now() - startedAt).toBeLessThan(cutWithinMs);
    const received = [socket.messages.length, stream.events.length];
    const client = world.client(credential);
    await eventually(
      async () => {
        for (const path of ['/jobs', '/workers', '/events', '/api-keys', '/queues']) {
          (await client.get(path)).expectStatus(401);
        }
      },
      { timeoutMs: cutWithinMs },
    );
    await expect(
      WsClient.open(`${world.host.webSocketUrl('/ws')}?token=${credential}`),
    ).rejects.toThrow('HTTP 401');
    await organization.client.enqueue('after');
    expect([socket.messages.length, stream.events.length]).toEqual(received);
  }

  it('is a key: its streams, and those of tokens minted from it, are cut within five seconds', async () => {
    const { id, key } = await createKey('to be revoked');
    const token = await login(key);
    const [ofKey, ofToken, bystander] = await Promise.all([key, token, organization.key].map(open));
    await organization.client.enqueue('before');
    await ofToken?.socket.waitFor<{ type: string }>(({ type }) => type === 'JobCreated');
    (await organization.client.delete(`/api-keys/${id}`)).expectStatus(204);
    if (ofKey) await expectLockedOut(key, ofKey);
    if (ofToken) await expectLockedOut(token, ofToken);
    const listed = await organization.client.get<{ id: string; is_active: boolean }[]>('/api-keys');
    expect(listed.body).toContainEqual(expect.objectContaining({ id, is_active: false }));

    const last = await organization.client.enqueue('bystander');
    await bystander?.socket.waitFor<{ data: { job_id?: string } }>(
      ({ data }) => data.job_id === last,
    );
    await bystander?.stream.waitFor(({ data }) => data.includes(last));
  });

  it('is a session: logging out cuts its streams and leaves the key alone', async () => {
    const token = await login(organization.key);
    const streams = await open(token);
    (await world.client(token).get('/jobs')).expectStatus(200);
    (await world.client(token).post('/auth/logout')).expectStatus(204);
    await expectLockedOut(token, streams);
    (await organization.client.get('/jobs')).expectStatus(200);
    const again = await login(organization.key);
    (await world.client(again).get('/jobs')).expectStatus(200);
  });

  it.each([
    ['softly', 'false'],
    ['with all it has', 'true'],
  ])('is each one of an organization that is deleted %s', async (_how, isHard) => {
    const gone = await world.organization(`gone-${isHard}`);
    await gone.client.enqueue('left');
    (await gone.client.post('/workers/register', WORKER)).expectStatus(201);
    (await gone.client.post('/schedules', SCHEDULE)).expectStatus(201);
    const refused = await gone.client.delete(`/organizations/${gone.id}`);
    refused.expectStatus(409);
    const streams = await open(gone.key);
    const path = `/admin/organizations/${gone.id}`;
    (await world.admin.delete(`${path}?hard_delete=${isHard}`)).expectStatus(204);
    await expectLockedOut(gone.key, streams);
    if (isHard === 'false') (await world.admin.get(path)).expectStatus(200);
    else await expectForgotten(gone);
  });

  /** What the platform counts is what the organizations have that are left. */
  async function expectForgotten(gone: Organization): Promise<void> {
    (await world.admin.get(`/admin/organizations/${gone.id}`)).expectStatus(404);
    await eventually(async () => {
      const { body: listed } = await world.admin.get<{
        organizations: { usage: { active_jobs: number; workers: number } }[];
      }>('/admin/organizations');
      const { body: deleted } = await world.admin.get<typeof listed>(
        '/admin/organizations?plan_tier=deleted',
      );
      const all = [...listed.organizations, ...deleted.organizations];
      const { body: stats } = await world.admin.get<{
        jobs: { total_active: number };
        workers: { total: number };
      }>('/admin/stats');
      const sum = (of: 'active_jobs' | 'workers'): number =>
        all.reduce((total, { usage }) => total + usage[of], 0);
      expect(stats.jobs.total_active).toBe(sum('active_jobs'));
      expect(stats.workers.total).toBe(sum('workers'));
    });
  }
});

const WORKER = { queue_name: 'left', hostname: 'host-1' };
const SCHEDULE = {
  name: 'yearly',
  cron_expression: '0 0 1 1 *',
  queue_name: 'left',
  payload_template: {},
};
