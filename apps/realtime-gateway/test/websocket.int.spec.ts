import { workerHeartbeat, queueChanged } from '@spooled/contracts';
import { eventually, type WsClient } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { changed, created, heartbeat, registered } from './fixtures.js';
import { jobsOf, seqOf, stored, TestGateway, type Wire } from './setup.js';

/** Five seconds, and what a machine that is busy adds. */
const LIMIT_MS = 30_000;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});

afterAll(async () => {
  await gateway.stop();
});

const errors = (client: WsClient) =>
  (client.messages as Wire[]).filter(({ type }) => type === 'Error');
const subscribed = ({ type }: Wire) => type === 'subscribed';

describe('opening a WebSocket', () => {
  it('says hello with exactly one Ping that has no cursor', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    await gateway.append(caller, created('j1'));
    await client.waitForCount(2);
    expect(client.messages[0]).toEqual({ type: 'Ping', data: { timestamp: expect.any(String) } });
    expect((client.messages as Wire[]).filter(({ type }) => type === 'Ping')).toHaveLength(1);
  });

  it('takes the credential from either header or the query', async () => {
    const caller = gateway.caller();
    const { credential } = caller;
    const opened = await Promise.all([
      gateway.ws(caller),
      gateway.ws(null, { api_key: credential }),
      gateway.ws(null, {}, { authorization: `Bearer ${credential}` }),
      gateway.ws(null, {}, { 'x-api-key': credential }),
      gateway.ws(null, { ticket: gateway.ticket(caller, { queue: null, jobId: null }) }),
    ]);
    for (const client of opened) await client.waitFor<Wire>(({ type }) => type === 'Ping');
  });

  it('is refused before the upgrade, in plain HTTP with the JSON error body', async () => {
    const scoped = gateway.caller({ queues: ['emails'] });
    await expect(gateway.ws(null)).rejects.toThrow(/HTTP 401: .*UNAUTHORIZED/);
    await expect(gateway.ws(null, { token: 'unknown' })).rejects.toThrow(/HTTP 401/);
    await expect(gateway.ws(scoped, { queue: 'sms' })).rejects.toThrow(/HTTP 403: .*ACCESS_DENIED/);
    await expect(gateway.ws(scoped, { queue: 'a b' })).rejects.toThrow(/HTTP 400: .*BAD_REQUEST/);
  });

  it('says how much of the rate is left, with the 101 and with a refusal', async () => {
    const { credential } = gateway.caller({ queues: ['emails'] });
    const headOf = async (query: string): Promise<string> => {
      const socket = connect(gateway.port, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString('latin1')));
      socket.write(
        [
          `GET /api/v1/ws?${query} HTTP/1.1`,
          'Host: x',
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
          'X-Request-Id: mine',
          `Authorization: Bearer ${credential}`,
          '\r\n',
        ].join('\r\n'),
      );
      await eventually(() => text.includes('\r\n\r\n'));
      socket.destroy();
      return text.toLowerCase();
    };
    for (const [query, status] of [
      ['', 101],
      ['queue=sms', 403],
    ] as const) {
      const head = await headOf(query);
      expect(head).toContain(`http/1.1 ${status} `);
      expect(head).toMatch(/x-ratelimit-limit: 100000\r\n/);
      expect(head).toMatch(/x-ratelimit-remaining: 9999\d\r\n/);
      expect(head).toMatch(/x-ratelimit-reset: \d+\r\n/);
      expect(head).toMatch(/x-request-id: mine\r\n/);
    }
  });

  it('takes unknown and empty parameters for not given', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller, { queue: '', events: '', worker_id: '', x: 'y' });
    await gateway.append(caller, created('j1', 'sms'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j1']));
  });
});

describe('what a WebSocket gets', () => {
  it('is every event of its organization, in order, dense, and no other organization’s', async () => {
    const [caller, stranger] = [gateway.caller(), gateway.caller()];
    const [own, foreign] = [await gateway.live(caller), await gateway.live(stranger)];
    await gateway.append(stranger, created('theirs'));
    for (let index = 0; index < 20; index += 1) {
      await gateway.append(caller, created(`j${index}`), changed(`j${index}`, 'processing'));
    }
    await eventually(() => expect(stored(own)).toHaveLength(40));
    expect(stored(own).map(seqOf)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(stored(own)[0]).toMatchObject({
      type: 'JobCreated',
      data: { job_id: 'j0', queue_name: 'emails', rev: 1 },
    });
    await eventually(() => expect(jobsOf(foreign)).toEqual(['theirs']));
  });

  it('is bound by the filters of the URL', async () => {
    const caller = gateway.caller();
    const byQueue = await gateway.live(caller, { queue: 'emails' });
    const byJob = await gateway.live(caller, { job_id: 'j2' });
    const byEvents = await gateway.live(caller, { events: 'job.STATUS_changed,WorkerRegistered' });
    const byWorker = await gateway.live(caller, { worker_id: 'w2' });
    await gateway.append(
      caller,
      created('j1'),
      created('j2', 'sms'),
      changed('j1', 'processing'),
      registered('w1'),
      registered('w2'),
    );
    await eventually(() => expect(jobsOf(byQueue)).toEqual(['j1', 'j1', 'w1', 'w2']));
    await eventually(() => expect(jobsOf(byJob)).toEqual(['j2']));
    await eventually(() => expect(jobsOf(byEvents)).toEqual(['j1', 'w1', 'w2']));
    await eventually(() => expect(jobsOf(byWorker)).toEqual(['j1', 'j2', 'j1', 'w2']));
  });

  it('stays inside the queues of a scoped key', async () => {
    const caller = gateway.caller();
    const { organizationId } = caller.principal;
    const scoped = gateway.caller({ organizationId, queues: ['emails'] });
    const client = await gateway.live(scoped);
    client.send({ cmd: 'Subscribe', queue: null, job_id: null });
    await gateway.append(caller, created('j1', 'sms'), created('j2'), registered('w1', ''));
    gateway.neighbours.bus.hint(workerHeartbeat, organizationId, heartbeat('w1', null, 'sms').data);
    gateway.neighbours.bus.hint(workerHeartbeat, organizationId, heartbeat('w2', null).data);
    await client.waitFor<Wire>(({ type }) => type === 'WorkerHeartbeat');
    await eventually(() => expect(jobsOf(client)).toEqual(['j2']));
    const beats = (client.messages as Wire[]).filter(({ type }) => type === 'WorkerHeartbeat');
    expect(beats).toMatchObject([{ data: { worker_id: 'w2' } }]);
    expect(beats[0]).not.toHaveProperty('id');
  });

  it('stays inside what a ticket is good for', async () => {
    const caller = gateway.caller();
    const ticket = gateway.ticket(caller, { queue: 'emails', jobId: null });
    const client = await gateway.ws(null, { ticket });
    client.send({ cmd: 'Subscribe', queue: 'sms', request_id: '1' });
    expect(await client.waitFor<Wire>((m) => m.request_id === '1')).toMatchObject({
      type: 'error',
    });
    await gateway.append(caller, created('j1', 'sms'), created('j2'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j2']));
    await expect(gateway.ws(null, { ticket })).rejects.toThrow(/HTTP 401/);
  });

  it('has queue counters soon after a change, at most one per queue and second, without cursor', async () => {
    const caller = gateway.caller();
    gateway.neighbours.counters.set('emails', { pending: 2, scheduled: 3, deadletter: 1 });
    const client = await gateway.live(caller);
    const stats = () => (client.messages as Wire[]).filter(({ type }) => type === 'QueueStats');
    for (let index = 0; index < 5; index += 1) await gateway.append(caller, created(`j${index}`));
    await eventually(() => expect(stats()).not.toEqual([]));
    expect(stats()[0]).toEqual({
      type: 'QueueStats',
      data: expect.objectContaining({
        queue_name: 'emails',
        pending: 5,
        scheduled: 3,
        failed: 1,
        deadletter: 1,
      }),
    });
    const { organizationId } = caller.principal;
    gateway.neighbours.counters.set('emails', { paused: true });
    gateway.neighbours.bus.hint(queueChanged, organizationId, { queueName: 'emails' });
    await eventually(() => expect(stats().at(-1)).toMatchObject({ data: { paused: true } }));
    const times = stats().map(({ data }) => Date.parse(data['timestamp'] as string));
    for (const [index, at] of times.slice(1).entries()) {
      expect(at - (times[index] as number)).toBeGreaterThan(950);
    }
  });
});

describe('subscriptions', () => {
  it('are a multiset: what was subscribed twice is given up twice', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    const command = async (cmd: string, fields: object): Promise<void> => {
      const request_id = randomUUID();
      client.send({ cmd, ...fields, request_id });
      await client.waitFor<Wire>((message) => message.request_id === request_id);
    };
    const expectJobs = async (...names: string[]): Promise<void> => {
      const before = stored(client).length;
      await gateway.append(caller, created('a', 'a'), created('b', 'b'), created('c', 'c'));
      // A match for everyone ends the batch.
      await gateway.append(caller, created('end', 'a'));
      await eventually(() =>
        expect(jobsOf(client).slice(before)).toEqual([
          ...names,
          ...(names.includes('a') ? ['end'] : []),
        ]),
      );
    };
    await expectJobs('a', 'b', 'c');
    await command('Subscribe', { queue: 'a', job_id: null });
    await command('Subscribe', { queue: 'b' });
    await command('Subscribe', { queue: 'a' });
    await expectJobs('a', 'b');
    await command('Subscribe', {});
    await expectJobs('a', 'b', 'c');
    await command('Unsubscribe', { queue: null, job_id: null });
    await command('Unsubscribe', { queue: 'a' });
    await command('Unsubscribe', { queue: 'unknown' });
    await expectJobs('a', 'b');
    await command('Unsubscribe', { queue: 'b' });
    await expectJobs('a');
    await command('Unsubscribe', { queue: 'a' });
    await expectJobs('a', 'b', 'c');
  });

  it('are acknowledged with the current cursor in the dialect with request ids', async () => {
    const caller = gateway.caller();
    await gateway.append(caller, created('j1'), created('j2'));
    const client = await gateway.live(caller);
    client.send({
      type: 'subscribe',
      request_id: 'sub-1',
      filter: { queue_name: 'emails', job_id: '', worker_id: '', events: ['job.created'] },
    });
    const ack = await client.waitFor<Wire>(subscribed);
    expect(ack).toEqual({ type: 'subscribed', request_id: 'sub-1', cursor: expect.any(String) });
    expect(seqOf({ id: ack.cursor })).toBe(2);
    await gateway.append(caller, changed('j1', 'processing'), created('j3'), created('j4', 'sms'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j3']));
    client.send({
      type: 'unsubscribe',
      request_id: 'u',
      filter: { queue_name: 'emails', events: ['job.created'] },
    });
    expect(await client.waitFor<Wire>(({ type }) => type === 'unsubscribed')).toMatchObject({
      request_id: 'u',
    });
  });

  it('are silent without a request id, and take lower-case commands', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    client.send({ cmd: 'subscribe', queue: 'sms' });
    client.send({ cmd: 'ping' });
    await eventually(() => expect(client.messages).toHaveLength(2));
    await gateway.append(caller, created('j1'), created('j2', 'sms'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j2']));
    expect((client.messages as Wire[]).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['Ping', 'Ping', 'JobCreated']),
    );
  });

  it('outside the key’s scope are refused and change nothing', async () => {
    const scoped = gateway.caller({ queues: ['emails'] });
    const client = await gateway.live(scoped);
    client.send({ cmd: 'Subscribe', queue: 'sms' });
    await eventually(() =>
      expect(errors(client)).toMatchObject([{ data: { code: 'ACCESS_DENIED' } }]),
    );
    client.send({ type: 'subscribe', request_id: '1', filter: { queue_name: 'sms' } });
    expect(await client.waitFor<Wire>((m) => m.request_id === '1')).toMatchObject({
      type: 'error',
      error: expect.any(String),
      code: 'ACCESS_DENIED',
    });
    await gateway.append(scoped, created('j1'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j1']));
  });

  it.each(['no json', '[]', '{}', 'null', '{"cmd":"Publish"}', '{"cmd":"Subscribe","queue":7}'])(
    'that are malformed are answered and keep the socket: %s',
    async (text) => {
      const client = await gateway.live(gateway.caller());
      client.send(text);
      await eventually(() =>
        expect(errors(client)).toMatchObject([{ data: { code: 'INVALID_COMMAND' } }]),
      );
      client.send({ cmd: 'Ping' });
      await client.waitForCount(3);
    },
  );
});

describe('resuming', () => {
  it('from the cursor of the URL gives exactly the newer events, then live ones', async () => {
    const caller = gateway.caller();
    const first = await gateway.live(caller);
    await gateway.append(caller, ...Array.from({ length: 5 }, (_, index) => created(`j${index}`)));
    const cursor = (await first.waitFor<Wire>(({ data }) => data?.['job_id'] === 'j1')).id!;
    await first.close();
    await gateway.append(caller, created('j5'), created('x', 'sms'));
    const again = await gateway.live(caller, { last_event_id: cursor, queue: 'emails' });
    await gateway.append(caller, created('j6'));
    await eventually(() => expect(jobsOf(again)).toEqual(['j2', 'j3', 'j4', 'j5', 'j6']));
  });

  it('works from the log when nothing is in memory, and across pages', async () => {
    const caller = gateway.caller();
    for (let batch = 0; batch < 6; batch += 1) {
      await gateway.append(
        caller,
        ...Array.from({ length: 400 }, (_, n) => created(`${batch}-${n}`)),
      );
    }
    const probe = await gateway.live(caller);
    probe.send({ cmd: 'Subscribe', request_id: '1' });
    const { cursor } = await probe.waitFor<Wire>(subscribed);
    const client = await gateway.live(caller, { last_event_id: cursor!.replace(/\d+$/, '10') });
    await gateway.append(caller, created('live'));
    await eventually(() => expect(stored(client)).toHaveLength(2391));
    expect(stored(client).map(seqOf)).toEqual(Array.from({ length: 2391 }, (_, n) => n + 11));
  });

  it('with a cursor on Subscribe replays what this connection did not have, and nothing twice', async () => {
    const caller = gateway.caller();
    await gateway.append(caller, created('a1', 'a'), created('b1', 'b'), created('a2', 'a'));
    const client = await gateway.live(caller, { queue: 'b' });
    await gateway.append(caller, created('a3', 'a'), created('b2', 'b'));
    await eventually(() => expect(jobsOf(client)).toEqual(['b2']));
    const epoch = stored(client)[0]!.id!.split('-')[0]!;
    const command = { cmd: 'Subscribe', request_id: '1', last_event_id: `${epoch}-1` };
    client.send(command);
    await eventually(() => expect(jobsOf(client)).toEqual(['b2', 'b1', 'a2', 'a3']));
    client.send({ ...command, request_id: '2' });
    await client.waitFor<Wire>((message) => message.request_id === '2');
    await gateway.append(caller, created('a4', 'a'));
    await eventually(() => expect(jobsOf(client)).toEqual(['b2', 'b1', 'a2', 'a3', 'a4']));
  });

  it.each(['nonsense', 'ffffffff-3', '', '-1', 'x'.repeat(90)])(
    'from a cursor that is not ours is announced once, then live: %j',
    async (cursor) => {
      const caller = gateway.caller();
      await gateway.append(caller, created('j1'));
      const client = await gateway.live(caller, { last_event_id: cursor });
      await gateway.append(caller, created('j2'));
      await eventually(() => expect(jobsOf(client)).toEqual(['j2']));
      expect(errors(client)).toHaveLength(cursor === '' ? 0 : 1);
      if (cursor === '') return;
      const { data } = errors(client)[0] as Wire;
      expect(data['code']).toBe('CURSOR_EXPIRED');
      const again = await gateway.live(caller, { last_event_id: String(data['resume_from']) });
      await eventually(() => expect(jobsOf(again)).toEqual(['j1', 'j2']));
      expect(errors(again)).toEqual([]);
    },
  );

  it('from a cursor beyond the end of the log is announced too', async () => {
    const caller = gateway.caller();
    await gateway.append(caller, created('j1'));
    const probe = await gateway.live(caller);
    await gateway.append(caller, created('j2'));
    await eventually(() => expect(jobsOf(probe)).toEqual(['j2']));
    const future = stored(probe)[0]!.id!.replace(/\d+$/, '999');
    const client = await gateway.live(caller, { last_event_id: future });
    await eventually(() =>
      expect(errors(client)).toMatchObject([{ data: { code: 'CURSOR_EXPIRED' } }]),
    );
    probe.send({ cmd: 'Subscribe', last_event_id: 'nonsense' });
    await eventually(() =>
      expect(errors(probe)).toMatchObject([{ data: { code: 'CURSOR_EXPIRED' } }]),
    );
    await gateway.append(caller, created('j3'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j3']));
    await eventually(() => expect(jobsOf(probe)).toEqual(['j2', 'j3']));
  });
});

describe('credentials of an open WebSocket', () => {
  it('can be renewed in-band', async () => {
    const caller = gateway.caller({ queues: ['emails'] });
    const { organizationId } = caller.principal;
    const wider = gateway.caller({ organizationId, queues: ['emails', 'sms'] });
    const client = await gateway.live(caller);
    client.send({ cmd: 'Authenticate', token: wider.credential, request_id: 'a' });
    client.send({ cmd: 'Subscribe', queue: 'sms', request_id: 's' });
    await client.waitFor<Wire>(({ type }) => type === 'authenticated');
    await client.waitFor<Wire>(subscribed);
    await gateway.append(caller, created('j1', 'sms'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j1']));
    gateway.neighbours.principals.delete(caller.credential);
    gateway.announceChange(caller);
    client.send({ cmd: 'Ping', request_id: 'p' });
    await eventually(() =>
      expect((client.messages as Wire[]).filter(({ type }) => type === 'Ping')).toHaveLength(2),
    );
  });

  it('stay when the new one is refused', async () => {
    const [caller, stranger] = [gateway.caller(), gateway.caller()];
    const client = await gateway.live(caller);
    for (const token of ['unknown', stranger.credential])
      client.send({ cmd: 'Authenticate', token });
    await eventually(() =>
      expect(errors(client).map(({ data }) => data['code'])).toEqual([
        'UNAUTHORIZED',
        'UNAUTHORIZED',
      ]),
    );
    client.send({ cmd: 'Authenticate', token: 'unknown', request_id: 'a' });
    expect(await client.waitFor<Wire>((m) => m.request_id === 'a')).toMatchObject({
      type: 'error',
      code: 'UNAUTHORIZED',
    });
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j1']));
  });

  it('that are revoked close it with 4401 at once', async () => {
    const caller = gateway.caller();
    const [one, other] = [await gateway.live(caller), await gateway.live(caller)];
    gateway.neighbours.principals.delete(caller.credential);
    gateway.announceChange(caller);
    expect((await one.closed).code).toBe(4401);
    expect((await other.closed).code).toBe(4401);
  });

  it('of a deleted organization close it with 4401', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    gateway.neighbours.principals.delete(caller.credential);
    gateway.announceChange(caller, { ofAll: true });
    expect((await client.closed).code).toBe(4401);
  });

  it('that are revoked without a word close it within five seconds', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    gateway.neighbours.principals.delete(caller.credential);
    const began = Date.now();
    expect((await client.closed).code).toBe(4401);
    expect(Date.now() - began).toBeLessThan(LIMIT_MS);
  });

  it('that expire close it, though a token that reaches its end does not', async () => {
    const mortal = gateway.caller();
    const expiring = await gateway.live(mortal);
    gateway.expireSoon(mortal);
    const expiresAt = Math.ceil(Date.now() / 1000) + 3;
    const token = { issuedAt: expiresAt - 10, expiresAt, jti: 'jti', sid: 'sid' };
    const caller = gateway.caller({ credential: 'jwt', token });
    const client = await gateway.live(caller);
    expect((await expiring.closed).code).toBe(4401);
    await eventually(() => Date.now() > expiresAt * 1000 + 1500);
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j1']));
  });

  it('that are narrowed filter at once', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    await gateway.append(caller, created('j1', 'sms'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j1']));
    gateway.neighbours.principals.set(caller.credential, {
      ...caller.principal,
      queues: ['emails'],
    });
    gateway.announceChange(caller);
    await eventually(async () => {
      const before = jobsOf(client).length;
      await gateway.append(caller, created('probe', 'sms'), created('probe-end'));
      // Of this round: an earlier one ended with the same name.
      await eventually(() => jobsOf(client).slice(before).includes('probe-end'));
      expect(jobsOf(client).slice(before)).toEqual(['probe-end']);
    });
    client.send({ cmd: 'Subscribe', queue: 'sms' });
    await eventually(() =>
      expect(errors(client)).toMatchObject([{ data: { code: 'ACCESS_DENIED' } }]),
    );
    await gateway.append(caller, created('j2', 'sms'), created('j3'));
    await eventually(() => expect(jobsOf(client).at(-1)).toBe('j3'));
    expect(jobsOf(client)).not.toContain('j2');
  });
});

describe('a client that misbehaves', () => {
  it('is closed with 1009 for a message over 64 KiB', async () => {
    const client = await gateway.live(gateway.caller());
    client.send('x'.repeat(65_537));
    expect((await client.closed).code).toBe(1009);
  });

  it('is closed with 1008 for more than a hundred commands a second', async () => {
    const client = await gateway.live(gateway.caller());
    for (let index = 0; index < 250; index += 1) client.send({ cmd: 'Ping' });
    expect((await client.closed).code).toBe(1008);
  });

  it('does no harm with garbage instead of frames', async () => {
    const { credential } = gateway.caller();
    const socket = connect(gateway.port, '127.0.0.1');
    const path = `/api/v1/ws?token=${credential}`;
    const head = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
    socket.write(head);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(Buffer.alloc(5000, 0xff));
    await new Promise((resolve) => socket.once('close', resolve));
    await gateway.live(gateway.caller());
  });
});
