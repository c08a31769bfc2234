import type { LoggedEvent, StoredEvent, WebhookDelivery } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { Receiver } from './receiver.js';
import { completed, World } from './setup.js';

let world: World;
let receiver: Receiver;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());
beforeEach(async () => {
  receiver = await Receiver.start();
});

const job = { job_id: '0197d6a5-0000-7000-8000-000000000001', queue_name: 'emails' };
const timestamp = '2026-05-04T03:02:01.000Z';
const told = { ...job, timestamp, rev: 2 };
const worker = { worker_id: 'w-1', queue_name: 'emails', timestamp };

/** What is stored, and what receivers are told of it. */
const table: readonly [string, StoredEvent, Record<string, unknown>][] = [
  [
    'job.created',
    { type: 'JobCreated', data: { ...told, priority: 5, status: 'pending' } },
    { ...job, priority: 5, status: 'pending' },
  ],
  [
    'job.created',
    { type: 'JobCreated', data: { ...told, priority: 0, status: 'pending', schedule_id: 's-1' } },
    { ...job, priority: 0, status: 'pending', source: 'schedule', schedule_id: 's-1' },
  ],
  [
    'job.created',
    { type: 'JobCreated', data: { ...told, priority: 0, status: 'pending', workflow_id: 'f-1' } },
    { ...job, priority: 0, status: 'pending', source: 'workflow', workflow_id: 'f-1' },
  ],
  [
    'job.started',
    {
      type: 'JobStatusChange',
      data: { ...told, old_status: 'pending', new_status: 'processing', worker_id: 'w-1' },
    },
    { ...job, worker_id: 'w-1' },
  ],
  [
    'job.completed',
    {
      type: 'JobCompleted',
      data: { ...told, duration_ms: 1, worker_id: 'w-1', result: { sent: [true] } },
    },
    { ...job, status: 'completed', result: { sent: [true] } },
  ],
  [
    'job.completed',
    {
      type: 'JobCompleted',
      data: { ...told, duration_ms: 1, worker_id: 'w-1', result_truncated: true },
    },
    { ...job, status: 'completed', result: null, result_truncated: true },
  ],
  [
    'job.failed',
    {
      type: 'JobFailed',
      data: { ...told, error: 'boom', retry_count: 3, will_retry: false, worker_id: 'w-1' },
    },
    { ...job, status: 'deadletter', error: 'boom' },
  ],
  [
    'job.failed',
    {
      type: 'JobStatusChange',
      data: {
        ...told,
        old_status: 'processing',
        new_status: 'deadletter',
        reason: 'lease_expired',
      },
    },
    { ...job, status: 'deadletter', error: 'lease_expired' },
  ],
  [
    'job.cancelled',
    {
      type: 'JobStatusChange',
      data: { ...told, old_status: 'scheduled', new_status: 'cancelled' },
    },
    { ...job, status: 'cancelled', old_status: 'scheduled' },
  ],
  [
    'worker.registered',
    { type: 'WorkerRegistered', data: { ...worker, hostname: 'host-1' } },
    { worker_id: 'w-1', queue_name: 'emails', hostname: 'host-1' },
  ],
  [
    'worker.deregistered',
    { type: 'WorkerDeregistered', data: { ...worker, reason: 'stale' } },
    { worker_id: 'w-1', queue_name: 'emails' },
  ],
  [
    'queue.paused',
    { type: 'QueuePaused', data: { queue_name: 'emails', reason: 'deploy', timestamp } },
    { queue_name: 'emails', reason: 'deploy' },
  ],
  [
    'queue.resumed',
    { type: 'QueueResumed', data: { queue_name: 'emails', paused_duration_secs: 60, timestamp } },
    { queue_name: 'emails', paused_duration_secs: 60 },
  ],
  [
    'schedule.triggered',
    { type: 'ScheduleTriggered', data: { ...job, schedule_id: 's-1', timestamp } },
    { ...job, schedule_id: 's-1' },
  ],
];

describe('an event', () => {
  it.each(table)('%s is delivered with what it tells', async (name, stored, data) => {
    const { organizationId, credential } = world.key();
    await world.make(credential, { url: receiver.url, events: [name] });
    await world.tell(organizationId, stored);
    await eventually(() => expect(receiver.received).toHaveLength(1));
    const [{ body, headers }] = receiver.received as [Receiver['received'][0]];
    expect(body).toEqual({ id: body.id, event: name, created_at: timestamp, data });
    expect(headers['x-spooled-event']).toBe(name);
  });

  it('goes on in the trace of its job, though nothing is recorded here', async () => {
    const { organizationId, credential } = world.key();
    await world.make(credential, { url: receiver.url });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const traced: LoggedEvent = { ...completed('traced'), traceparent };
    await world.tell(organizationId, traced, completed('untraced'));
    await eventually(() => expect(receiver.received).toHaveLength(2));
    const sent = receiver.received.map(({ body, headers }) => [
      body.data['result'],
      headers['traceparent'],
    ]);
    expect(Object.fromEntries(sent)).toEqual({ traced: traceparent, untraced: undefined });
  });

  it('that receivers are not told of is none', async () => {
    const { organizationId, credential } = world.key();
    await world.make(credential, { url: receiver.url, events: table.map(([name]) => name) });
    const change = (old_status: string, new_status: string): StoredEvent => ({
      type: 'JobStatusChange',
      data: { ...told, old_status, new_status },
    });
    await world.tell(
      organizationId,
      change('scheduled', 'pending'),
      change('processing', 'pending'),
      change('processing', 'completed'),
      // The failure itself follows, with its error.
      change('processing', 'deadletter'),
      {
        type: 'JobFailed',
        data: { ...told, error: 'boom', retry_count: 1, will_retry: true, worker_id: 'w-1' },
      },
      completed('last'),
    );
    await eventually(() => expect(receiver.received).toHaveLength(1));
    expect(receiver.received[0]!.body.data['result']).toBe('last');
  });

  it('goes to every endpoint of its organization that asked for it, each with an id of its own', async () => {
    const { organizationId, credential } = world.key();
    const other = world.key();
    const hooks = [
      await world.make(credential, { url: `${receiver.url}/a` }),
      await world.make(credential, {
        url: `${receiver.url}/b`,
        events: ['job.failed', 'job.completed'],
      }),
    ];
    await world.make(credential, { url: `${receiver.url}/other-event`, events: ['job.created'] });
    await world.make(credential, { url: `${receiver.url}/disabled`, enabled: false });
    await world.make(other.credential, { url: `${receiver.url}/other-organization` });
    await world.tell(organizationId, completed());
    await eventually(() => expect(receiver.received).toHaveLength(2));
    const deliveries = await Promise.all(hooks.map(({ id }) => world.deliveries(credential, id)));
    expect(deliveries.map((each) => each.length)).toEqual([1, 1]);
    expect(receiver.received.map(({ path }) => path).sort()).toEqual(['/hook/a', '/hook/b']);
    expect(new Set(receiver.ids())).toEqual(new Set(deliveries.flat().map(({ id }) => id)));
    expect(await world.deliveries(other.credential, hooks[0]!.id)).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('of before an endpoint was made, or enabled again, is none of its', async () => {
    const { organizationId, credential } = world.key();
    await world.tell(organizationId, completed('before'));
    const { id } = await world.make(credential, { url: receiver.url });
    await world.tell(organizationId, completed('first'));
    await eventually(() => expect(receiver.received).toHaveLength(1));
    await world.call(credential, 'PUT', `/outgoing-webhooks/${id}`, { enabled: false });
    await world.tell(organizationId, completed('while disabled'));
    await world.call(credential, 'PUT', `/outgoing-webhooks/${id}`, { enabled: true });
    await world.tell(organizationId, completed('second'));
    await eventually(() => expect(receiver.received).toHaveLength(2));
    expect(receiver.received.map(({ body }) => body.data['result'])).toEqual(['first', 'second']);
  });

  it('is attempted once, also when there are a thousand', async () => {
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url });
    await world.tell(organizationId, completed());
    await eventually(() => expect(receiver.received).toHaveLength(1));
    await world.tell(organizationId, ...Array.from({ length: 1000 }, (_, n) => completed(n)));
    await eventually(() => expect(receiver.received).toHaveLength(1001), { timeoutMs: 120_000 });
    expect(new Set(receiver.ids()).size).toBe(1001);
    expect(await world.deliveries(credential, id)).toHaveLength(100);
  });
});

describe('an attempt', () => {
  it('carries the headers of the contract', async () => {
    const { organizationId, credential } = world.key();
    await world.make(credential, { url: receiver.url });
    const toldAt = Date.now();
    await world.tell(organizationId, completed());
    await eventually(() => expect(receiver.received).toHaveLength(1));
    const { headers, body, at } = receiver.received[0]!;
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Spooled-OutgoingWebhook/1.0',
      'x-spooled-event': 'job.completed',
      'x-spooled-delivery-attempt': '1',
      'webhook-id': body.id,
    });
    const seconds = Number(headers['x-spooled-timestamp']);
    expect(seconds).toBeGreaterThanOrEqual(Math.floor(toldAt / 1000));
    expect(seconds).toBeLessThanOrEqual(at / 1000);
    expect(headers['webhook-timestamp']).toBe(headers['x-spooled-timestamp']);
    expect(headers).not.toHaveProperty('x-spooled-signature');
    expect(headers).not.toHaveProperty('webhook-signature');
  });

  it('that fails is repeated after 1, 2, 4, 8 s, under the same id, with a fresh timestamp', async () => {
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url, secret: 's' });
    receiver.script(500, 404, 302, 429);
    await world.tell(organizationId, completed());
    await eventually(() => expect(receiver.received).toHaveLength(5), { timeoutMs: 120_000 });
    const { received } = receiver;
    expect(new Set(receiver.ids()).size).toBe(1);
    expect(new Set(received.map(({ text }) => text)).size).toBe(1);
    expect(received.map(({ headers }) => headers['x-spooled-delivery-attempt'])).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
    ]);
    const stamps = received.map(({ headers }) => headers['x-spooled-timestamp']);
    expect(new Set(stamps).size).toBe(5);
    expect(new Set(received.map(({ headers }) => headers['x-spooled-signature'])).size).toBe(5);
    const gaps = received.slice(1).map(({ at }, index) => (at - received[index]!.at) / 1000);
    for (const [index, secs] of [1, 2, 4, 8].entries()) {
      expect(gaps[index]).toBeGreaterThan(secs - 0.05);
    }
    await eventually(async () =>
      expect(await world.deliveries(credential, id)).toMatchObject([
        { status: 'success', attempts: 5, status_code: 200, error: null },
      ]),
    );
  });

  it('finds out that the receiver misbehaves, and says how', async () => {
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url });
    receiver.answer = (response) => response.writeHead(503).end(`no\0pe${'x'.repeat(10_000)}`);
    await world.tell(organizationId, completed());
    const delivery = await eventually(async () => {
      const [first] = await world.deliveries(credential, id);
      // On a slow machine there was a second one.
      expect(first!.attempts).toBeGreaterThanOrEqual(1);
      return first!;
    });
    expect(delivery).toMatchObject({
      webhook_id: id,
      event: 'job.completed',
      payload: receiver.received[0]!.body,
      status: 'pending',
      status_code: 503,
      error: 'The receiver answered 503.',
      delivered_at: null,
    });
    expect(delivery.response_body).toBe(`nope${'x'.repeat(4096 - 5)}`);
    expect(Object.keys(delivery).sort()).toEqual(
      [
        ...['id', 'webhook_id', 'event', 'payload', 'status', 'status_code', 'response_body'],
        ...['error', 'attempts', 'created_at', 'delivered_at'],
      ].sort(),
    );
  });
});

/** Has deliveries fail for good at the first attempt. */
async function withSingleAttempts<T>(run: (quick: World) => Promise<T>): Promise<T> {
  const quick = await World.setup({ settings: { OUTGOING_WEBHOOK_MAX_ATTEMPTS: '1' } });
  try {
    return await run(quick);
  } finally {
    await quick.stop();
    Object.assign(process.env, world.environment);
    process.env['OUTGOING_WEBHOOK_MAX_ATTEMPTS'] = '';
  }
}

describe('an endpoint whose receiver fails', () => {
  it('counts deliveries that failed for good, forgets them with a success, is disabled at twenty', () =>
    withSingleAttempts(async (quick) => {
      const { organizationId, credential } = quick.key();
      const { id } = await quick.make(credential, { url: receiver.url });
      const failures = async (count: number): Promise<void> => {
        for (let index = 0; index < count; index += 1) {
          const before = receiver.received.length;
          await quick.tell(organizationId, completed());
          await eventually(() => expect(receiver.received).toHaveLength(before + 1));
        }
      };
      const answer = (status: number): void => {
        receiver.answer = (response) => response.writeHead(status).end();
      };
      answer(500);
      await failures(19);
      await eventually(async () =>
        expect(await quick.read(credential, id)).toMatchObject({
          failure_count: 19,
          enabled: true,
          last_status: 'failed',
          last_triggered_at: expect.any(String),
        }),
      );
      answer(200);
      await failures(1);
      await eventually(async () =>
        expect(await quick.read(credential, id)).toMatchObject({
          failure_count: 0,
          last_status: 'success',
        }),
      );
      answer(500);
      await failures(20);
      await eventually(async () =>
        expect(await quick.read(credential, id)).toMatchObject({
          failure_count: 20,
          enabled: false,
          last_status: 'auto_disabled',
        }),
      );
      const seen = receiver.received.length;
      await quick.tell(organizationId, completed());
      const { body } = await quick.call(credential, 'PUT', `/outgoing-webhooks/${id}`, {
        enabled: true,
      });
      expect(body).toMatchObject({ enabled: true, failure_count: 0 });
      answer(200);
      await quick.tell(organizationId, completed('after'));
      await eventually(() => expect(receiver.received).toHaveLength(seen + 1));
      expect(receiver.received.at(-1)!.body.data['result']).toBe('after');
    }));

  it('that is disabled with deliveries waiting ends them without an attempt', () =>
    withSingleAttempts(async (quick) => {
      const { organizationId, credential } = quick.key();
      const { id } = await quick.make(credential, { url: receiver.url });
      receiver.answer = (response) => response.writeHead(500).end();
      await quick.tell(organizationId, ...Array.from({ length: 100 }, () => completed()));
      const deliveries = await eventually(async () => {
        const all = await quick.deliveries(credential, id);
        expect(all).toHaveLength(100);
        expect(all.every(({ status }) => status === 'failed')).toBe(true);
        return all;
      });
      const dropped = deliveries.filter(({ error }) => error === 'The webhook is disabled.');
      expect(dropped.length).toBe(100 - receiver.received.length);
      expect(dropped.length).toBeGreaterThan(50);
      expect(dropped.every(({ attempts }) => attempts === 0)).toBe(true);
      expect(await quick.read(credential, id)).toMatchObject({ last_status: 'auto_disabled' });
    }));
});

describe('a delivery', () => {
  const retry = (credential: string, hook: string, delivery: string) =>
    world.call(credential, 'POST', `/outgoing-webhooks/${hook}/retry/${delivery}`);

  it('is repeated on request, with the same id and body', async () => {
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url });
    await world.tell(organizationId, completed());
    const ended = await eventually(async () => {
      const [first] = await world.deliveries(credential, id);
      expect(first).toMatchObject({ status: 'success', attempts: 1 });
      return first as WebhookDelivery;
    });
    const answer = await retry(credential, id, ended.id);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        success: true,
        message: expect.any(String),
        delivery_id: ended.id,
        status: 'pending',
      },
    });
    const { rows: trail } = await world.owner.query(
      'select action, target, details from audit.entry where organization_id = $1',
      [organizationId],
    );
    expect(trail).toEqual([
      { action: 'webhook.redelivered', target: id, details: { delivery_id: ended.id } },
    ]);
    await eventually(() => expect(receiver.received).toHaveLength(2));
    expect(receiver.received[1]!.text).toBe(receiver.received[0]!.text);
    await eventually(async () =>
      expect(await world.deliveries(credential, id)).toMatchObject([
        { id: ended.id, status: 'success', attempts: 1 },
      ]),
    );
  });

  it('is not repeated when it is unknown, of another, or its endpoint is disabled', async () => {
    const { organizationId, credential } = world.key();
    const stranger = world.key();
    const { id } = await world.make(credential, { url: receiver.url });
    const other = await world.make(credential, { url: receiver.url, events: ['job.created'] });
    const foreign = await world.make(stranger.credential);
    await world.tell(organizationId, completed());
    const [delivery] = await eventually(async () => {
      const all = await world.deliveries(credential, id);
      expect(all).toMatchObject([{ status: 'success' }]);
      return all;
    });
    for (const [key, hook, one] of [
      [credential, id, randomUUID()],
      [credential, id, 'none'],
      [credential, 'none', delivery!.id],
      [credential, other.id, delivery!.id],
      [stranger.credential, id, delivery!.id],
      [stranger.credential, foreign.id, delivery!.id],
    ] as const) {
      expect((await retry(key, hook, one)).status).toBe(404);
    }
    await world.call(credential, 'PUT', `/outgoing-webhooks/${id}`, { enabled: false });
    expect(await retry(credential, id, delivery!.id)).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT' },
    });
    expect(receiver.received).toHaveLength(1);
  });

  it('of an endpoint that was deleted is not attempted any more', async () => {
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url });
    receiver.answer = (response) => response.writeHead(500).end();
    await world.tell(organizationId, completed());
    await eventually(() => expect(receiver.received).toHaveLength(1));
    await world.call(credential, 'DELETE', `/outgoing-webhooks/${id}`);
    await eventually(async () => {
      const { rows } = await world.owner.query(
        'select status, error, attempts from webhooks.delivery where organization_id = $1',
        [organizationId],
      );
      // One, unless it was time for the next before it was deleted.
      const attempts = receiver.received.length;
      expect(rows).toEqual([{ status: 'failed', error: 'The webhook is deleted.', attempts }]);
    });
  });
});

describe('a test', () => {
  const test = (credential: string, id: string) =>
    world.call(credential, 'POST', `/outgoing-webhooks/${id}/test`);

  it('is sent at once, signed, also while disabled, and is no delivery', async () => {
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url, secret: 's', enabled: false });
    expect(await test(credential, id)).toMatchObject({
      status: 200,
      body: { success: true, status_code: 200, response_time_ms: expect.any(Number), error: null },
    });
    const { text, headers } = receiver.received[0]!;
    expect(JSON.parse(text)).toEqual({
      id: headers['webhook-id'],
      event: 'webhook.test',
      webhook_id: id,
      organization_id: organizationId,
      timestamp: expect.any(String),
      test: true,
      message: expect.any(String),
    });
    expect(headers).toMatchObject({
      'x-spooled-event': 'webhook.test',
      'x-spooled-delivery-attempt': '1',
      'x-spooled-signature': expect.stringMatching(/^sha256=[0-9a-f]{64}$/),
    });
    expect(await world.deliveries(credential, id)).toEqual([]);
  });

  it('that fails is answered with 200 and why', async () => {
    const { credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url });
    receiver.script(500);
    expect(await test(credential, id)).toMatchObject({
      status: 200,
      body: { success: false, status_code: 500, error: 'The receiver answered 500.' },
    });
    await receiver.stop();
    expect(await test(credential, id)).toMatchObject({
      status: 200,
      body: { success: false, status_code: null, error: 'the connection was refused' },
    });
    expect((await test(credential, randomUUID())).status).toBe(404);
  });

  it('does not go where deliveries may not go either, whatever was stored', async () => {
    const { credential } = world.key();
    const { id } = await world.make(credential);
    await world.owner.query('update webhooks.endpoint set url = $2 where id = $1', [
      id,
      'https://169.254.169.254/',
    ]);
    expect(await test(credential, id)).toMatchObject({
      body: { success: false, status_code: null, error: 'the address is not allowed' },
    });
  });
});
