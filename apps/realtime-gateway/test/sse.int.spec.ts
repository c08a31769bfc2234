import { eventually, type SseCollection } from '@spooled/testing';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { changed, completed, created, failed } from './fixtures.js';
import { TestGateway, type Wire } from './setup.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});

afterAll(async () => {
  await gateway.stop();
});

const wire = (stream: SseCollection): Wire[] =>
  stream.events.map(({ data }) => JSON.parse(data) as Wire);
const jobs = (stream: SseCollection): unknown[] =>
  wire(stream)
    .filter(({ id }) => id !== undefined)
    .map(({ data }) => data['job_id']);
const connected = (stream: SseCollection): Promise<string> =>
  eventually(() => /^connected (\S+)$/.exec(stream.comments[0] ?? '')?.[1] ?? '');
const named = (stream: SseCollection): string[] => stream.events.map(({ event }) => event);

describe('GET /events', () => {
  it('answers the head and the first comment, with the current cursor, at once', async () => {
    const caller = gateway.caller();
    await gateway.append(caller, created('j1'), created('j2'));
    const stream = await gateway.sse(caller, '/events', { 'accept-encoding': 'gzip, br' });
    expect(stream.status).toBe(200);
    expect(Object.fromEntries(stream.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
      'x-request-id': expect.any(String),
      'x-ratelimit-limit': expect.any(String),
    });
    expect(stream.headers.get('content-encoding')).toBeNull();
    const cursor = await connected(stream);
    expect(cursor).toMatch(/-2$/);
    // What EventSource comes back with, if the stream breaks before an event came.
    await eventually(() => expect(stream.lastEventId).toBe(cursor));
    expect(stream.retryMs).toBe(3000);
    expect(stream.events).toEqual([]);
  });

  it('delivers named events with cursors from the moment of its first comment', async () => {
    const caller = gateway.caller();
    const stream = await gateway.sse(caller, '/events');
    const cursor = await connected(stream);
    await gateway.append(caller, created('j1'), changed('j1', 'processing'), completed('j1'));
    const names = ['job.created', 'job.status', 'job.completed'];
    await eventually(() =>
      expect(named(stream).filter((name) => name !== 'queue.stats')).toEqual(names),
    );
    const [first] = wire(stream);
    expect(first).toMatchObject({ type: 'JobCreated', data: { job_id: 'j1' } });
    expect(first!.id).toBe(stream.events[0]!.id);
    expect(first!.id).toBe(cursor.replace(/-0$/, '-1'));
  });

  it('leaves the names out when asked to', async () => {
    const caller = gateway.caller();
    const stream = await gateway.sse(caller, '/events?named=false&events=job.created');
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(named(stream)).toEqual(['message']));
  });

  it('is bound by its filters and the key’s scope', async () => {
    const caller = gateway.caller({ queues: ['emails'] });
    const stream = await gateway.sse(caller, '/events?events=job.created,job.failed&queue=&x=1');
    const byQueue = await gateway.sse(caller, '/events?queue=emails&events=job.status');
    await gateway.append(
      caller,
      created('j1', 'sms'),
      created('j2'),
      changed('j2', 'processing'),
      failed('j2', true),
    );
    await eventually(() => expect(named(stream)).toEqual(['job.created', 'job.failed']));
    await eventually(() => expect(named(byQueue)).toEqual(['job.status']));
    expect(jobs(stream)).toEqual(['j2', 'j2']);
  });

  it('refuses before the stream with the JSON error body', async () => {
    const scoped = gateway.caller({ queues: ['emails'] });
    expect((await gateway.sse(null, '/events')).status).toBe(401);
    expect((await gateway.sse(scoped, '/events?queue=sms')).status).toBe(403);
    expect((await gateway.sse(scoped, '/events?queue=a%20b')).status).toBe(400);
    expect((await gateway.sse(scoped, '/events?named=maybe')).status).toBe(400);
  });

  it.each([
    ['header', (cursor: string) => ['/events', { 'last-event-id': cursor }] as const],
    ['query', (cursor: string) => [`/events?last_event_id=${cursor}`, {}] as const],
  ])('resumes from the %s without hole or duplicate', async (_name, request) => {
    const caller = gateway.caller();
    const first = await gateway.sse(caller, '/events?events=job.created');
    await gateway.append(caller, created('j1'), created('j2'), created('j3'));
    const { id } = await first.waitFor(({ data }) => data.includes('"j2"'));
    await first.close();
    await gateway.append(caller, created('j4'));
    const [path, headers] = request(id!);
    const again = await gateway.sse(caller, path, headers);
    await gateway.append(caller, created('j5'));
    await eventually(() => expect(jobs(again)).toEqual(['j3', 'j4', 'j5']));
    expect(await connected(again)).toBe(id);
  });

  it('announces a cursor that is not ours, then goes live', async () => {
    const caller = gateway.caller();
    const stream = await gateway.sse(caller, '/events', { 'last-event-id': 'nonsense' });
    const error = await stream.waitFor(({ event }) => event === 'error');
    expect(error.id).toBeUndefined();
    expect(JSON.parse(error.data)).toMatchObject({
      type: 'Error',
      data: { code: 'CURSOR_EXPIRED', resume_from: expect.stringMatching(/-0$/) },
    });
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(jobs(stream)).toEqual(['j1']));
  });

  it('gives thousands of events to a client that resumes, none lost', async () => {
    const caller = gateway.caller();
    for (let batch = 0; batch < 10; batch += 1) {
      await gateway.append(
        caller,
        ...Array.from({ length: 500 }, (_, n) => created(`${batch}-${n}`)),
      );
    }
    const stream = await gateway.sse(caller, '/events');
    const cursor = (await connected(stream)).replace(/\d+$/, '0');
    const resumed = await gateway.sse(caller, '/events', { 'last-event-id': cursor });
    await eventually(() => expect(jobs(resumed)).toHaveLength(5000));
    expect(new Set(jobs(resumed)).size).toBe(5000);
  });

  it('serves a client of HTTP/1.0 without chunks', async () => {
    const caller = gateway.caller();
    const socket = connect(gateway.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => (text += data.toString()));
    socket.write(
      `GET /api/v1/events?queue=q HTTP/1.0\r\nAuthorization: Bearer ${caller.credential}\r\n\r\n`,
    );
    await eventually(() => expect(text).toContain(': connected'));
    await gateway.append(caller, created('j1', 'q'));
    await eventually(() => expect(text).toContain('"job_id":"j1"'));
    const [head, body] = text.split('\r\n\r\n') as [string, string];
    expect(head).not.toMatch(/chunked/i);
    expect(body.startsWith(': connected')).toBe(true);
    expect(body).not.toContain('\r');
    socket.destroy();
  });

  it('ends when its credential is revoked', async () => {
    const caller = gateway.caller();
    const stream = await gateway.sse(caller, '/events');
    gateway.neighbours.principals.delete(caller.credential);
    gateway.announceChange(caller);
    await stream.ended;
  });
});

describe('a cursor that is older than the log', () => {
  it('is announced with the oldest one that is good, on every stream', async () => {
    const caller = gateway.caller();
    for (const job of ['j1', 'j2', 'j3']) await gateway.append(caller, created(job));
    gateway.job(caller, 'j3', 'processing', 2);
    await gateway.forget(caller, 2);
    const probe = await gateway.sse(caller, '/events');
    const old = (await connected(probe)).replace(/3$/, '1');
    const paths = ['/events?events=job.created', '/events/queues/emails', '/events/jobs/j3'];
    for (const path of paths) {
      const stream = await gateway.sse(caller, path, { 'last-event-id': old });
      const { data } = await stream.waitFor(({ event }) => event === 'error');
      const oldest = old.replace(/1$/, '2');
      expect(JSON.parse(data)).toMatchObject({
        data: { code: 'CURSOR_EXPIRED', resume_from: oldest },
      });
      expect(jobs(stream)).toEqual([]);
      await stream.close();
      const again = await gateway.sse(caller, '/events', { 'last-event-id': oldest });
      await eventually(() => expect(jobs(again)).toEqual(['j3']));
      expect(named(again)).not.toContain('error');
      await again.close();
    }
  });
});

describe('GET /events/queues/{name}', () => {
  it('begins with the counters, then gives the queue’s job events and counters', async () => {
    const caller = gateway.caller();
    gateway.neighbours.counters.set('q1', { pending: 4 });
    const stream = await gateway.sse(caller, '/events/queues/q1');
    const [first] = await stream.waitForCount(1);
    expect(first).toMatchObject({ event: 'queue.stats', id: undefined });
    expect(wire(stream)[0]).toMatchObject({ data: { queue_name: 'q1', pending: 4 } });
    await gateway.append(
      caller,
      created('j1', 'q1'),
      created('j2', 'q2'),
      completed('j1', { queue: 'q1' }),
    );
    await eventually(() => expect(jobs(stream)).toEqual(['j1', 'j1']));
    await eventually(() =>
      expect(named(stream).filter((name) => name === 'queue.stats')).toHaveLength(2),
    );
  });

  it('is zeros for an unknown queue, and stays open', async () => {
    const stream = await gateway.sse(gateway.caller(), '/events/queues/unknown');
    await stream.waitForCount(1);
    expect(wire(stream)[0]).toMatchObject({
      data: { queue_name: 'unknown', pending: 0, paused: false },
    });
  });

  it('is refused out of scope, and for what is no queue name', async () => {
    const scoped = gateway.caller({ queues: ['emails'] });
    const ticket = gateway.ticket(gateway.caller(), { queue: null, jobId: 'j' });
    expect((await gateway.sse(scoped, '/events/queues/sms')).status).toBe(403);
    expect((await gateway.sse(scoped, '/events/queues/a%20b')).status).toBe(400);
    expect((await gateway.sse(null, `/events/queues/emails?ticket=${ticket}`)).status).toBe(403);
  });

  it('resumes', async () => {
    const caller = gateway.caller();
    const probe = await gateway.sse(caller, '/events');
    const cursor = await connected(probe);
    await gateway.append(caller, created('j1', 'q1'), created('j2', 'q2'));
    const stream = await gateway.sse(caller, '/events/queues/q1', { 'last-event-id': cursor });
    await eventually(() => expect(jobs(stream)).toEqual(['j1']));
  });
});

describe('GET /events/jobs/{id}', () => {
  it('begins with a snapshot, follows the job, and ends with its outcome', async () => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'pending', 1);
    const stream = await gateway.sse(caller, '/events/jobs/j1');
    const [snapshot] = await stream.waitForCount(1);
    expect(snapshot).toMatchObject({ event: 'job.status', id: undefined });
    expect(wire(stream)[0]).toMatchObject({
      type: 'JobStatusChange',
      data: { job_id: 'j1', old_status: '', new_status: 'pending', rev: 1 },
    });
    await gateway.append(caller, changed('j1', 'processing', { rev: 2 }), created('j2'));
    await gateway.append(
      caller,
      changed('j1', 'completed', { rev: 3 }),
      completed('j1', { rev: 3 }),
    );
    await stream.ended;
    expect(named(stream)).toEqual(['job.status', 'job.status', 'job.status', 'job.completed']);
  });

  it('drops events that the snapshot holds already', async () => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'processing', 2);
    const stream = await gateway.sse(caller, '/events/jobs/j1');
    await stream.waitForCount(1);
    await gateway.append(
      caller,
      created('j1', 'emails', 1),
      changed('j1', 'processing', { rev: 2 }),
    );
    await gateway.append(caller, changed('j1', 'cancelled', { rev: 3 }));
    await stream.ended;
    expect(wire(stream).map(({ data }) => data['new_status'])).toEqual(['processing', 'cancelled']);
  });

  it.each([
    ['a failure that is final', [changed('j1', 'deadletter', { rev: 3 }), failed('j1', false)], 3],
    ['a lost lease that is final', [changed('j1', 'deadletter', { rev: 3 })], 2],
  ])('ends after %s', async (_name, events, count) => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'processing', 2);
    const stream = await gateway.sse(caller, '/events/jobs/j1');
    await stream.waitForCount(1);
    await gateway.append(caller, ...events);
    await stream.ended;
    expect(stream.events).toHaveLength(count);
  });

  it('of a finished job is its snapshot, and the connection can be used again', async () => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'completed', 3);
    const stream = await gateway.sse(caller, '/events/jobs/j1');
    await stream.ended;
    expect(wire(stream)).toMatchObject([{ data: { new_status: 'completed' } }]);
    expect((await gateway.sse(caller, '/events/jobs/j1')).status).toBe(200);
  });

  it('is an error event for a job that is unknown, foreign, or out of scope', async () => {
    const [caller, stranger] = [gateway.caller(), gateway.caller()];
    const { organizationId } = caller.principal;
    const scoped = gateway.caller({ organizationId, queues: ['sms'] });
    gateway.job(caller, 'j1', 'pending');
    const ticket = gateway.ticket(caller, { queue: null, jobId: 'j2' });
    const streams = await Promise.all([
      gateway.sse(caller, '/events/jobs/unknown'),
      gateway.sse(stranger, '/events/jobs/j1'),
      gateway.sse(scoped, '/events/jobs/j1'),
      gateway.sse(null, `/events/jobs/j1?ticket=${ticket}`),
      gateway.sse(caller, `/events/jobs/${'x'.repeat(300)}`),
    ]);
    for (const stream of streams) {
      expect(stream.status).toBe(200);
      await stream.ended;
      expect(stream.comments[0]).toMatch(/^connected/);
      expect(named(stream)).toEqual(['error']);
      expect(wire(stream)).toMatchObject([{ type: 'Error', data: { message: 'Job not found' } }]);
    }
  });

  it('resumes with what was missed, and stops a client that has it all with 204', async () => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'pending', 1);
    const first = await gateway.sse(caller, '/events/jobs/j1');
    await first.waitForCount(1);
    await gateway.append(caller, changed('j1', 'processing', { rev: 2 }));
    const { id } = await first.waitFor(({ id }) => id !== undefined);
    await first.close();
    await gateway.append(
      caller,
      created('j2'),
      changed('j1', 'completed', { rev: 3 }),
      completed('j1', { rev: 3 }),
    );
    gateway.job(caller, 'j1', 'completed', 3);
    const again = await gateway.sse(caller, '/events/jobs/j1', { 'last-event-id': id! });
    await again.ended;
    expect(named(again)).toEqual(['job.status', 'job.completed']);
    const done = await gateway.sse(caller, '/events/jobs/j1', {
      'last-event-id': again.lastEventId!,
    });
    expect(done.status).toBe(204);
    const later = await gateway.sse(caller, '/events/jobs/j1', { 'last-event-id': 'nonsense' });
    await later.ended;
    expect(named(later)).toEqual(['error', 'job.status']);
  });

  it('goes on for a job that was retried after its end', async () => {
    const caller = gateway.caller();
    const probe = await gateway.sse(caller, '/events');
    const cursor = await connected(probe);
    gateway.job(caller, 'j1', 'pending', 4);
    const stream = await gateway.sse(caller, '/events/jobs/j1', { 'last-event-id': cursor });
    await gateway.append(caller, changed('j1', 'processing', { rev: 5 }));
    await stream.waitForCount(1);
    expect(jobs(stream)).toEqual(['j1']);
  });

  it('ends when the job leaves the key’s scope', async () => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'pending');
    const stream = await gateway.sse(caller, '/events/jobs/j1');
    gateway.neighbours.principals.set(caller.credential, { ...caller.principal, queues: ['sms'] });
    gateway.announceChange(caller);
    await stream.ended;
  });
});

it('keeps its HTTP connection usable after a stream that ended', async () => {
  const caller = gateway.caller();
  gateway.job(caller, 'j1', 'completed', 3);

  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path: string): Promise<{ status: number; body: string; port: number }> =>
    new Promise((resolve, reject) => {
      const url = `http://127.0.0.1:${gateway.port}${path}`;
      const headers = { authorization: `Bearer ${caller.credential}` };
      get(url, { agent, headers }, (response) => {
        let body = '';
        const port = response.socket.localPort as number;
        response.on('data', (data: Buffer) => (body += data.toString()));
        response.on('end', () => resolve({ status: response.statusCode!, body, port }));
      }).on('error', reject);
    });
  const first = await ask('/api/v1/events/jobs/j1');
  const second = await ask('/health/live');
  agent.destroy();
  expect(first.body).toContain('completed');
  expect(second).toMatchObject({ status: 200, port: first.port });
});
