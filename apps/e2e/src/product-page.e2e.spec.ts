/** Story 1: the page that defines the product works as it is written. */
import { eventually, WsClient } from '@spooled/testing';

import { hostKinds } from './harness/host.js';
import { run, watch, type Watch } from './harness/shell.js';
import { World, type Organization } from './harness/world.js';

interface Envelope {
  type: string;
  id?: string;
  data: Record<string, unknown>;
}

describe.each(hostKinds)('the product page, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    world = await World.start(kind, {
      env: { REALTIME_SSE_HEALTH_INTERVAL_MS: '500', REALTIME_PING_INTERVAL_MS: '1000' },
    });
    organization = await world.organization('product-page');
  });
  afterAll(() => world?.stop());

  /** The page's login line; `cut` would do where jq is missing, so what jq does is done here. */
  async function token(): Promise<string> {
    const line = `curl -s -X POST ${world.host.base('/auth')}/api/v1/auth/login \\
      -H "Content-Type: application/json" \\
      -d '{"api_key":"${organization.key}"}'`;
    const printed = await run(line, async () => {
      const answer = await world.client('').post('/auth/login', { api_key: organization.key });
      return JSON.stringify(answer.body);
    });
    return (JSON.parse(printed) as { access_token: string }).access_token;
  }

  /** The page's streaming lines. */
  function stream(path: string): Promise<Watch> {
    const url = world.host.url(path);
    const headers = {
      Accept: 'text/event-stream',
      Authorization: `Bearer ${organization.key}`,
    };
    const line = `curl -N \\
      -H "Accept: text/event-stream" \\
      -H "Authorization: Bearer ${organization.key}" \\
      "${url}"`;
    return watch(line, url, headers);
  }

  it('logs in, connects with ?token= and gets the events of the subscribed queue in order', async () => {
    const socket = await WsClient.open(`${world.host.webSocketUrl('/ws')}?token=${await token()}`);
    await socket.waitFor<Envelope>(({ type }) => type === 'Ping');
    socket.send('{"cmd":"Subscribe","queue":"emails","job_id":null}');
    // Commands are obeyed in order, so the answer to this one says that the subscription holds.
    socket.send('{"cmd":"Ping"}');
    await eventually(() => expect(ofType(socket, 'Ping').length).toBeGreaterThanOrEqual(2));

    const id = await organization.client.enqueue('emails', { payload: { to: 'you@example.com' } });
    const other = await organization.client.enqueue('my-queue');
    await organization.client.work('my-queue');
    await organization.client.work('emails', { sent: true });
    await socket.waitFor<Envelope>(({ type }) => type === 'JobCompleted');

    const events = (socket.messages as Envelope[]).filter(({ type }) => type.startsWith('Job'));
    expect(events.map(({ data }) => data['job_id'])).not.toContain(other);
    expect(events).toEqual([
      {
        type: 'JobCreated',
        id: expect.any(String),
        data: expect.objectContaining({ job_id: id, queue_name: 'emails', priority: 0, rev: 1 }),
      },
      {
        type: 'JobStatusChange',
        id: expect.any(String),
        data: expect.objectContaining({
          job_id: id,
          queue_name: 'emails',
          old_status: 'pending',
          new_status: 'processing',
          rev: 2,
        }),
      },
      {
        type: 'JobStatusChange',
        id: expect.any(String),
        data: expect.objectContaining({
          old_status: 'processing',
          new_status: 'completed',
          rev: 3,
        }),
      },
      {
        type: 'JobCompleted',
        id: expect.any(String),
        data: expect.objectContaining({ job_id: id, result: { sent: true }, rev: 3 }),
      },
    ]);
    expect((events[3]?.data['duration_ms'] as number) >= 0).toBe(true);
    for (const { data } of socket.messages as Envelope[]) {
      expect(data['timestamp']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    }
    await socket.close();
  });

  it('streams every named event of the organization to curl with a raw key', async () => {
    const events = await stream('/events');
    await events.until(({ event }) => event === 'system.health');
    const { client } = organization;
    const worker = await client.post<{ id: string }>('/workers/register', {
      queue_name: 'emails',
      hostname: 'page-host',
    });
    worker.expectStatus(201);
    const path = `/workers/${worker.body.id}`;
    (await client.post(`${path}/heartbeat`, { current_jobs: 0 })).expectStatus(200);
    const id = await client.enqueue('emails', { max_retries: 0 });
    const [job] = await client.claim('emails', { worker_id: worker.body.id });
    const failure = { worker_id: worker.body.id, lease_id: job?.lease_id, error: 'mailbox full' };
    (await client.post(`/jobs/${id}/fail`, failure)).expectStatus(200);
    (await client.post(`${path}/deregister`)).expectStatus(204);

    const seen = await events.until(({ event }) => event === 'worker.deregistered');
    const names = new Map(seen.map(({ event, envelope }) => [event, envelope.type]));
    expect(Object.fromEntries(names)).toMatchObject({
      'system.health': 'SystemHealth',
      'worker.registered': 'WorkerRegistered',
      'worker.heartbeat': 'WorkerHeartbeat',
      'job.created': 'JobCreated',
      'job.status': 'JobStatusChange',
      'job.failed': 'JobFailed',
      'worker.deregistered': 'WorkerDeregistered',
    });
    const failed = seen.find(({ event }) => event === 'job.failed');
    expect(failed?.envelope.data).toMatchObject({
      job_id: id,
      error: 'mailbox full',
      retry_count: 0,
      will_retry: false,
    });
    for (const { id: cursor, envelope } of seen) expect(envelope.id).toBe(cursor);
    const control = seen.filter(({ event }) => event === 'system.health');
    expect(control.every(({ id: cursor }) => cursor === undefined)).toBe(true);
    events.stop();
  });

  it('streams one queue to curl: its counters at once, then its jobs and nothing else', async () => {
    const events = await stream('/events/queues/my-queue');
    const [snapshot] = await events.until(({ event }) => event === 'queue.stats');
    expect(snapshot?.envelope).toMatchObject({
      type: 'QueueStats',
      data: { queue_name: 'my-queue', pending: 0, processing: 0 },
    });
    const { client } = organization;
    await client.enqueue('emails');
    const id = await client.enqueue('my-queue');
    await client.work('my-queue');
    const seen = await events.until(({ event }) => event === 'job.completed');
    expect(seen.every(({ envelope }) => envelope.data['queue_name'] === 'my-queue')).toBe(true);
    const ofJob = seen.filter(({ envelope }) => envelope.data['job_id'] === id);
    expect(ofJob.map(({ event }) => event)).toEqual([
      'job.created',
      'job.status',
      'job.status',
      'job.completed',
    ]);
    await events.until(
      ({ event, envelope }) =>
        event === 'queue.stats' &&
        envelope.data['completed'] !== snapshot?.envelope.data['completed'],
    );
    events.stop();
  });

  it('delivers again after a reconnect what happened in between', async () => {
    const before = await stream('/events');
    const { client } = organization;
    await client.enqueue('reconnect');
    const [created] = (await before.until(({ event }) => event === 'job.created')).slice(-1);
    before.stop();
    await before.ended;
    await client.work('reconnect');
    const url = world.host.url('/events');
    const headers = {
      Authorization: `Bearer ${organization.key}`,
      'Last-Event-ID': created?.id ?? '',
    };
    const options = Object.entries(headers).map(([name, value]) => `-H "${name}: ${value}"`);
    const after = await watch(`curl -N ${options.join(' ')} ${url}`, url, headers);
    const missed = await after.until(({ event }) => event === 'job.completed');
    expect(missed.map(({ event }) => event).filter((name) => name?.startsWith('job.'))).toEqual([
      'job.status',
      'job.status',
      'job.completed',
    ]);
    after.stop();
  });

  it('keeps a WebSocket alive with pings and answers nonsense with an error event', async () => {
    const socket = await WsClient.open(`${world.host.webSocketUrl('/ws')}?token=${await token()}`);
    socket.send('{"cmd":');
    const error = await socket.waitFor<Envelope>(({ type }) => type === 'Error');
    expect(error.data).toMatchObject({ code: 'INVALID_COMMAND', message: expect.any(String) });
    await eventually(() => expect(ofType(socket, 'Ping').length).toBeGreaterThanOrEqual(2));
    await socket.close();
  });

  it('refuses a wrong key before anything is streamed', async () => {
    const answer = await world.client('sp_test_wrong').get('/events');
    answer.expectStatus(401);
    expect(answer.body).toMatchObject({ code: 'UNAUTHORIZED', message: expect.any(String) });
    await expect(
      WsClient.open(`${world.host.webSocketUrl('/ws')}?token=not-a-token`),
    ).rejects.toThrow('HTTP 401');
  });
});

function ofType(socket: WsClient, tag: string): Envelope[] {
  return (socket.messages as Envelope[]).filter(({ type }) => type === tag);
}
