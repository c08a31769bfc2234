/** Story 10: the published clients and the dashboard, as they really speak. */
import type { ClaimedJob, Job } from '@spooled/contracts';
import { collectSse, eventually, WsClient } from '@spooled/testing';

import { Client } from './harness/client.js';
import { hostKinds } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

interface Message {
  type: string;
  request_id?: string;
  data: Record<string, unknown>;
}

describe.each(hostKinds)('client dialects, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start(kind, { env: { REALTIME_QUEUE_STATS_INTERVAL_MS: '100' } });
    organization = await world.organization('dialects');
  });
  afterAll(() => world?.stop());

  const created = (id: string) => (message: Message) =>
    message.type === 'JobCreated' && message.data['job_id'] === id;

  /** After this, everything that was to come before has come. */
  async function lastEventOf(socket: WsClient, queue: string): Promise<void> {
    await socket.waitFor(created(await organization.client.enqueue(queue)));
  }

  describe('Node and Python', () => {
    it('send a JSON content type with every call, also without a body', async () => {
      const { key } = organization;
      const client = new Client(world.host, {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-organization-id': 'somebody-else',
      });
      for (const path of ['/jobs', '/queues', '/workers', '/jobs/stats', '/api-keys']) {
        (await client.get(path)).expectStatus(200);
      }
      const id = await client.enqueue('empty-bodies', { max_retries: 0 });
      (await client.post('/queues/empty-bodies/pause')).expectStatus(200);
      (await client.post('/queues/empty-bodies/resume')).expectStatus(200);
      const [job] = await client.claim('empty-bodies', { worker_id: 'w' });
      const failure = { worker_id: 'w', lease_id: job?.lease_id, error: 'no' };
      (await client.post(`/jobs/${id}/fail`, failure)).expectStatus(200);
      const retried = await client.post<Job>(`/jobs/${id}/retry`);
      retried.expectStatus(200);
      expect(retried.body).toMatchObject({ id, status: 'pending', retry_count: 0 });
      (await client.delete(`/jobs/${id}`)).expectStatus(204);
      (await client.post('/auth/logout')).expectStatus(204);
    });

    it('log in with a stale Authorization header attached, and use the token everywhere', async () => {
      const stale = world.client('eyJhbGciOiJIUzI1NiJ9.e30.stale');
      const login = await stale.post<{ access_token: string; refresh_token: string }>(
        '/auth/login',
        { api_key: organization.key },
      );
      login.expectStatus(200);
      const { access_token, refresh_token } = login.body;
      const refreshed = await stale.post<{ access_token: string }>('/auth/refresh', {
        refresh_token,
      });
      refreshed.expectStatus(200);
      expect(refreshed.body.access_token).not.toBe(access_token);
      const [, claims = ''] = access_token.split('.');
      expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
        org_id: organization.id,
        exp: expect.any(Number),
      });
      for (const path of ['/jobs', '/workers', '/auth/me', '/queues']) {
        (await world.client(refreshed.body.access_token).get(path)).expectStatus(200);
      }
      (await world.client(refresh_token).get('/jobs')).expectStatus(401);
    });

    it('subscribe in lower case, with a raw key in the URL, and leave out what is null', async () => {
      const url = `${world.host.webSocketUrl('/ws')}?token=${organization.key}`;
      const socket = await WsClient.open(url);
      socket.send({ cmd: 'subscribe', queue: 'python' });
      socket.send({ cmd: 'subscribe', queue: 'python-too' });
      socket.send({ cmd: 'ping' });
      await eventually(() =>
        expect(
          (socket.messages as Message[]).filter(({ type }) => type === 'Ping').length,
        ).toBeGreaterThanOrEqual(2),
      );
      const other = await organization.client.enqueue('elsewhere');
      const id = await organization.client.enqueue('python');
      await socket.waitFor(created(id));
      socket.send({ cmd: 'unsubscribe', queue: 'python' });
      socket.send({ cmd: 'ping' });
      await lastEventOf(socket, 'python-too');
      await organization.client.work('python');
      await lastEventOf(socket, 'python-too');
      const text = JSON.stringify(socket.messages);
      expect(text).not.toContain(other);
      expect(text).not.toContain('JobCompleted');
      expect(text).not.toContain('"Error"');
      await socket.close();
    });

    it('follow one job over SSE from its snapshot to its end', async () => {
      const { client, key } = organization;
      const id = await client.enqueue('job-stream');
      const stream = await collectSse(world.host.url(`/events/jobs/${id}`), {
        headers: { authorization: `Bearer ${key}` },
      });
      await stream.waitForCount(1);
      await client.work('job-stream');
      await stream.ended;
      const events = stream.events.map(({ event, data }) => [event, JSON.parse(data).data]);
      expect(events).toEqual([
        ['job.status', expect.objectContaining({ old_status: '', new_status: 'pending' })],
        ['job.status', expect.objectContaining({ new_status: 'processing' })],
        ['job.status', expect.objectContaining({ new_status: 'completed' })],
        ['job.completed', expect.objectContaining({ job_id: id, result: { ok: true } })],
      ]);
    });
  });

  describe('Go', () => {
    it('authenticates with X-API-Key, and every Subscribe is acknowledged', async () => {
      const headers = { 'x-api-key': organization.key };
      const client = new Client(world.host, headers);
      (await client.get('/jobs')).expectStatus(200);
      const socket = await WsClient.open(world.host.webSocketUrl('/ws'), { headers });
      const command = {
        type: 'subscribe',
        request_id: 'sub-1',
        filter: { queue_name: 'go', events: ['job.completed'] },
      };
      socket.send(command);
      await socket.waitFor<Message>(
        ({ type, request_id }) => type === 'subscribed' && request_id === 'sub-1',
      );
      await client.enqueue('go');
      await client.work('go', { text: 'x'.repeat(100_000) });
      const completed = await socket.waitFor<Message>(({ type }) => type === 'JobCompleted');
      // Its WebSocket library drops the connection on a frame over 32768 bytes.
      expect(completed.data).toMatchObject({ result_truncated: true });
      expect(completed.data).not.toHaveProperty('result');
      for (const message of socket.messages) {
        expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThanOrEqual(32_768);
      }
      expect(JSON.stringify(socket.messages)).not.toContain('JobCreated');

      socket.send({ ...command, type: 'unsubscribe', request_id: 'unsub-1' });
      await socket.waitFor<Message>(
        ({ type, request_id }) => type === 'unsubscribed' && request_id === 'unsub-1',
      );
      socket.send({ type: 'subscribe', request_id: 'sub-2', filter: { queue_name: 'no/such' } });
      await socket.waitFor<Message>(
        ({ type, request_id }) => type === 'error' && request_id === 'sub-2',
      );
      await socket.close();
    });

    it('narrows /events by query', async () => {
      const { client, key } = organization;
      const id = await client.enqueue('go-sse');
      const query = `queue=go-sse&job_id=${id}&worker_id=&events=job.status,job.completed`;
      const stream = await collectSse(world.host.url(`/events?${query}`), {
        headers: { 'x-api-key': key },
      });
      expect(stream.status).toBe(200);
      await client.work('go-sse');
      await stream.waitFor(({ event }) => event === 'job.completed');
      expect(stream.events.map(({ event }) => event)).toEqual([
        'job.status',
        'job.status',
        'job.completed',
      ]);
      await stream.close();
    });
  });

  it('lets a worker of an SDK live: register, claim, renew, complete, deregister', async () => {
    const { client } = organization;
    const registered = await client.post<{ id: string; heartbeat_interval_secs: number }>(
      '/workers/register',
      {
        queue_name: 'sdk',
        hostname: 'host-1',
        worker_type: 'node',
        max_concurrency: 5,
        metadata: { pid: 1 },
        version: '1.0.0',
      },
    );
    registered.expectStatus(201);
    // As they are set.
    expect(registered.body).toMatchObject({
      lease_duration_secs: 300,
      heartbeat_interval_secs: 10,
    });
    const { id: workerId } = registered.body;
    const ids = [await client.enqueue('sdk'), await client.enqueue('sdk')];
    const jobs = await client.claim('sdk', {
      worker_id: workerId,
      limit: 5,
      lease_duration_secs: 30,
    });
    expect(jobs.map(({ id }) => id)).toEqual(ids);
    const [first, second] = jobs as [ClaimedJob, ClaimedJob];
    const beat = await client.post(`/workers/${workerId}/heartbeat`, {
      current_jobs: 2,
      status: 'healthy',
    });
    beat.expectStatus(200);
    const renewal = { worker_id: workerId, lease_duration_secs: 60 };
    const renewed = await client.post<{ lease_expires_at: string }>(
      `/jobs/${first.id}/heartbeat`,
      renewal,
    );
    renewed.expectStatus(200);
    expect(Date.parse(renewed.body.lease_expires_at)).toBeGreaterThan(
      Date.parse(first.lease_expires_at),
    );
    // The SDKs leave out `lease_id`.
    const done = await client.post(`/jobs/${first.id}/complete`, {
      worker_id: workerId,
      result: {},
    });
    done.expectStatus(200);
    expect(done.body).toEqual({ success: true });
    (await client.post(`/workers/${workerId}/deregister`)).expectStatus(204);
    await eventually(async () =>
      expect(await client.job(second.id)).toMatchObject({
        status: 'pending',
        retry_count: 0,
        lease_id: null,
      }),
    );
    expect((await client.job(first.id)).status).toBe('completed');
  });

  it('lets the dashboard subscribe panel by panel, and stream with a token in the URL', async () => {
    const login = await world.client('').post<{ access_token: string }>('/auth/login', {
      api_key: organization.key,
    });
    login.expectStatus(200);
    const token = `token=${login.body.access_token}`;
    const socket = await WsClient.open(`${world.host.webSocketUrl('/ws')}?${token}`);
    // One match-all filter for each panel, one for the queue of a detail page.
    for (const queue of [null, null, 'detail'])
      socket.send({ cmd: 'Subscribe', queue, job_id: null });
    for (const queue of [null, 'detail']) socket.send({ cmd: 'Unsubscribe', queue, job_id: null });
    await lastEventOf(socket, 'dashboard');
    socket.send({ cmd: 'Unsubscribe', queue: null, job_id: null });
    await lastEventOf(socket, 'dashboard');
    await socket.close();

    const stream = await collectSse(`${world.host.url('/events/queues/dashboard')}?${token}`);
    await stream.waitFor(({ event }) => event === 'queue.stats');
    const id = await organization.client.enqueue('dashboard');
    await stream.waitFor(({ event, data }) => event === 'job.created' && data.includes(id));
    await stream.close();
  });
});
