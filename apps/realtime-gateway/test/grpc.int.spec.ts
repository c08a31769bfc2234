import { queueChanged, workerHeartbeat, type StoredEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { changed, completed, created, failed, heartbeat, registered } from './fixtures.js';
import {
  GrpcWatcher,
  grpcPort,
  liveGrpc,
  refusedGrpc,
  type GrpcSubscription,
} from './grpc-client.js';
import { seqOf, TestGateway, type Caller, type Wire } from './setup.js';

/** Five seconds, and what a machine that is busy adds. */
const LIMIT_MS = 30_000;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});

afterAll(async () => {
  await gateway.stop();
});

const subscribe = (caller: Caller, request?: GrpcSubscription) =>
  liveGrpc(gateway, caller, request);
const refused = (caller: Caller, request?: GrpcSubscription) =>
  refusedGrpc(gateway, { 'x-api-key': caller.credential }, request);
const jobs = ({ stored }: GrpcWatcher): unknown[] =>
  stored.map(({ data }) => data['job_id'] ?? data['worker_id']);

describe('a subscription', () => {
  it('begins with headers and one Ping, which confirms it: nothing after that is missed', async () => {
    const caller = gateway.caller();
    await gateway.append(caller, created('before'));
    const watcher = await subscribe(caller);
    expect(watcher.isOpen).toBe(true);
    await gateway.append(caller, created('after'));
    await eventually(() => expect(jobs(watcher)).toEqual(['after']));
    expect(watcher.messages[0]).toMatchObject({ id: '', type: 'Ping', name: 'ping' });
    const [cursor] = watcher.headers!.get('last-event-id');
    expect(cursor).toMatch(/-1$/);
    const again = await subscribe(caller, { last_event_id: String(cursor) });
    await eventually(() => expect(jobs(again)).toEqual(['after']));
    expect(watcher.types.filter((type) => type === 'Ping')).toHaveLength(1);
  });

  it('has each event as the other transports have it, with the same cursor', async () => {
    const caller = gateway.caller();
    const sse = await gateway.sse(caller, '/events?events=job.*,*');
    const watcher = await subscribe(caller);
    const result = { n: 1, deep: [{ half: 0.5, none: null, yes: true }], text: 'ü€😀', big: 1e300 };
    const done = completed('j1', { rev: 3 });
    const withResult = { ...done, data: { ...done.data, result } } as StoredEvent;
    await gateway.append(caller, created('j1'), changed('j1', 'processing'), withResult);
    await gateway.append(caller, failed('j2', true), registered('w1'));
    await eventually(() => expect(watcher.stored).toHaveLength(5));
    const events = () => sse.events.map(({ data }) => JSON.parse(data) as Wire);
    await eventually(() => expect(events().filter(({ id }) => id)).toEqual(watcher.stored));
    expect(watcher.stored[2]!.data['result']).toEqual(result);
    const names = sse.events.filter(({ data }) => data.includes('"id":')).map(({ event }) => event);
    const stored = watcher.messages.filter(({ id }) => id !== '');
    expect(stored.map(({ name }) => name)).toEqual(names);
    for (const { timestamp, data } of stored) {
      expect(timestamp).toEqual(new Date(data['timestamp'] as string));
    }
  });

  it('has events about the present without a cursor', async () => {
    const caller = gateway.caller();
    const { organizationId } = caller.principal;
    gateway.neighbours.counters.set('emails', { pending: 2, scheduled: 3 });
    const watcher = await subscribe(caller);
    gateway.neighbours.bus.hint(workerHeartbeat, organizationId, heartbeat('w1', null).data);
    gateway.neighbours.bus.hint(queueChanged, organizationId, { queueName: 'emails' });
    const stats = await watcher.waitFor(({ type }) => type === 'QueueStats');
    expect(stats).toMatchObject({
      id: '',
      name: 'queue.stats',
      data: { pending: 5, paused: false },
    });
    const beat = await watcher.waitFor(({ type }) => type === 'WorkerHeartbeat');
    expect(beat).toMatchObject({ id: '', data: { worker_id: 'w1', current_job_id: null } });
    expect(watcher.stored).toEqual([]);
  });

  it('has no other organization’s events', async () => {
    const [caller, stranger] = [gateway.caller(), gateway.caller()];
    const watcher = await subscribe(caller, { queue_names: ['emails'], job_ids: ['theirs'] });
    await gateway.append(stranger, created('theirs'));
    await gateway.append(caller, created('ours'));
    await eventually(() => expect(jobs(watcher)).toEqual(['ours']));
  });
});

describe('filters', () => {
  const happened = [
    created('a1', 'a'),
    created('b1', 'b'),
    changed('b1', 'processing', { queue: 'b' }),
    registered('w1', 'a'),
    created('c1', 'c'),
    changed('c1', 'processing', { queue: 'c' }),
    created('end', 'a'),
    changed('end', 'processing', { queue: 'a' }),
  ];

  it.each<[string, GrpcSubscription, string[]]>([
    ['nothing', {}, ['a1', 'b1', 'b1', 'w1', 'c1', 'c1', 'end', 'end']],
    ['a queue', { queue_names: ['a'] }, ['a1', 'w1', 'end', 'end']],
    ['two queues', { queue_names: ['a', 'b'] }, ['a1', 'b1', 'b1', 'w1', 'end', 'end']],
    ['jobs', { job_ids: ['c1', 'end'] }, ['c1', 'c1', 'end', 'end']],
    [
      'a queue or a job',
      { queue_names: ['a'], job_ids: ['c1'] },
      ['a1', 'w1', 'c1', 'c1', 'end', 'end'],
    ],
    ['the same twice', { queue_names: ['a', 'a'], job_ids: ['a1'] }, ['a1', 'w1', 'end', 'end']],
    [
      'wire tags',
      { event_types: ['JobStatusChange', 'workerregistered'] },
      ['b1', 'w1', 'c1', 'end'],
    ],
    [
      'dotted names',
      { event_types: ['job.STATUS', 'worker.registered'] },
      ['b1', 'w1', 'c1', 'end'],
    ],
    ['the clients’ own name', { event_types: ['job.status_changed'] }, ['b1', 'c1', 'end']],
    [
      'a star among types',
      { queue_names: ['b'], job_ids: ['end'], event_types: ['job.created', '*'] },
      ['b1', 'b1', 'end', 'end'],
    ],
    [
      'types of a queue or a job',
      { queue_names: ['a'], job_ids: ['c1'], event_types: ['job.status'] },
      ['c1', 'end'],
    ],
  ])('of %s let exactly that pass', async (_name, request, expected) => {
    const caller = gateway.caller();
    const watcher = await subscribe(caller, request);
    await gateway.append(caller, ...happened);
    await eventually(() => expect(jobs(watcher)).toEqual(expected));
  });

  it('never widen what the key may see', async () => {
    const caller = gateway.caller({ queues: ['a'] });
    const watcher = await subscribe(caller, { job_ids: ['b1', 'c1', 'end'] });
    await gateway.append(caller, ...happened);
    await eventually(() => expect(jobs(watcher)).toEqual(['end', 'end']));
  });
});

describe('is refused before anything is sent', () => {
  it.each<[string, Partial<GrpcSubscription>, string, RegExp]>([
    ['a queue out of scope', { queue_names: ['emails', 'sms'] }, 'PERMISSION_DENIED', /sms/],
    [
      'an unknown event type',
      { event_types: ['job.created', 'job.exploded'] },
      'INVALID_ARGUMENT',
      /job\.exploded/,
    ],
    ['an empty queue name', { queue_names: [''] }, 'INVALID_ARGUMENT', /Queue name/],
    ['what is no queue name', { queue_names: ['a b'] }, 'INVALID_ARGUMENT', /alphanumeric/],
    ['an empty job id', { job_ids: [''] }, 'INVALID_ARGUMENT', /job_ids/],
    [
      'too many queues',
      { queue_names: Array<string>(501).fill('emails') },
      'INVALID_ARGUMENT',
      /queue_names/,
    ],
  ])('%s', async (_name, request, code, details) => {
    const end = await refused(gateway.caller({ queues: ['emails'] }), request);
    expect(end).toMatchObject({ code, details: expect.stringMatching(details), messages: 0 });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['without a credential', {}, /Missing x-api-key or authorization header/],
    ['with an unknown key', { 'x-api-key': 'sp_test_unknown' }, /Invalid/],
    ['with an unknown token', { authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x' }, /Invalid/],
  ])('%s', async (_name, headers, details) => {
    expect(await refusedGrpc(gateway, headers)).toMatchObject({
      code: 'UNAUTHENTICATED',
      details: expect.stringMatching(details),
      messages: 0,
    });
  });

  it.each([
    (key: string) => `Bearer ${key}`,
    (key: string) => `bearer ${key}`,
    (key: string) => key,
  ])('but not with the credential as authorization: %s', async (authorizationOf) => {
    const authorization = authorizationOf(gateway.caller().credential);
    const watcher = new GrpcWatcher(grpcPort(gateway), { authorization }, {});
    await watcher.waitFor(({ type }) => type === 'Ping');
  });
});

describe('a resumed subscription', () => {
  it('has exactly the newer events that pass, then live ones, also from another transport’s cursor', async () => {
    const caller = gateway.caller();
    const sse = await gateway.sse(caller, '/events?events=job.created');
    await gateway.append(caller, created('j1'), created('j2'), created('j3', 'sms'));
    const { id } = await sse.waitFor(({ data }) => data.includes('"j1"'));
    await gateway.append(caller, created('j4'));
    const watcher = await subscribe(caller, { queue_names: ['emails'], last_event_id: id! });
    await gateway.append(caller, created('j5'));
    await eventually(() => expect(jobs(watcher)).toEqual(['j2', 'j4', 'j5']));
    expect(watcher.types.filter((type) => type === 'Ping')).toHaveLength(1);
    expect(watcher.types[0]).toBe('Ping');
  });

  it('of thousands of events is dense and in order, across pages of the log', async () => {
    const caller = gateway.caller();
    for (let batch = 0; batch < 10; batch += 1) {
      const jobs = Array.from({ length: 500 }, (_, n) => created(`${batch}-${n}`));
      await gateway.append(caller, ...jobs);
    }
    const probe = await subscribe(caller);
    await gateway.append(caller, created('live'));
    await eventually(() => expect(probe.stored).toHaveLength(1));
    const beginning = probe.stored[0]!.id!.replace(/\d+$/, '0');
    const watcher = await subscribe(caller, { last_event_id: beginning });
    await eventually(() => expect(watcher.messages).toHaveLength(5002));
    expect(watcher.stored.map(seqOf)).toEqual(Array.from({ length: 5001 }, (_, n) => n + 1));
  });

  it.each([
    ['nonsense', () => 'nonsense'],
    ['of another log', () => 'ffffffff-1'],
    ['beyond the end', (id: string) => id.replace(/\d+$/, '999')],
    ['older than the log', (id: string) => id.replace(/\d+$/, '1')],
  ])(
    'with a cursor that is %s has an Error first, then the live events',
    async (_name, cursorOf) => {
      const caller = gateway.caller();
      for (const job of ['j1', 'j2', 'j3']) await gateway.append(caller, created(job));
      await gateway.forget(caller, 2);
      const probe = await subscribe(caller);
      await gateway.append(caller, created('j4'));
      await eventually(() => expect(probe.stored).toHaveLength(1));
      const id = probe.stored[0]!.id!;
      const watcher = await subscribe(caller, { last_event_id: cursorOf(id) });
      await watcher.waitFor(({ type }) => type === 'Ping');
      expect(watcher.types).toEqual(['Error', 'Ping']);
      const resumeFrom = id.replace(/\d+$/, '2');
      expect(watcher.messages[0]).toMatchObject({
        id: '',
        name: 'error',
        data: { code: 'CURSOR_EXPIRED', resume_from: resumeFrom },
      });
      await gateway.append(caller, created('j5'));
      await eventually(() => expect(jobs(watcher)).toEqual(['j5']));
      const again = await subscribe(caller, { last_event_id: resumeFrom });
      await eventually(() => expect(jobs(again)).toEqual(['j3', 'j4', 'j5']));
      expect(again.types).not.toContain('Error');
    },
  );
});

describe('the credential of an open subscription', () => {
  it.each([
    ['is revoked', false, true],
    ['loses its organization', true, true],
    ['is revoked without a word', false, false],
  ])('that %s ends it with UNAUTHENTICATED within five seconds', async (_name, ofAll, isTold) => {
    const caller = gateway.caller();
    const { organizationId } = caller.principal;
    const other = gateway.caller({ organizationId });
    const [one, two, untouched] = [
      await subscribe(caller),
      await subscribe(caller, { job_ids: ['j1'] }),
      await subscribe(other),
    ];
    gateway.neighbours.principals.delete(caller.credential);
    const began = Date.now();
    if (isTold) gateway.announceChange(caller, { ofAll });
    for (const watcher of [one, two]) {
      expect(await watcher.ended).toMatchObject({ code: 'UNAUTHENTICATED' });
    }
    expect(Date.now() - began).toBeLessThan(LIMIT_MS);
    await gateway.append(other, created('j1'));
    await eventually(() => expect(jobs(untouched)).toEqual(['j1']));
    expect([...jobs(one), ...jobs(two)]).toEqual([]);
  });

  it('that expires ends it with UNAUTHENTICATED', async () => {
    const caller = gateway.caller();
    const watcher = await subscribe(caller);
    gateway.expireSoon(caller);
    expect(await watcher.ended).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('that is narrowed filters at once, and what was asked for stays asked for', async () => {
    const caller = gateway.caller();
    const watcher = await subscribe(caller, { queue_names: ['sms', 'emails'] });
    await gateway.append(caller, created('before', 'sms'));
    await eventually(() => expect(jobs(watcher)).toEqual(['before']));
    gateway.neighbours.principals.set(caller.credential, {
      ...caller.principal,
      queues: ['emails', 'letters'],
    });
    gateway.announceChange(caller);
    await eventually(async () => {
      const before = jobs(watcher).length;
      await gateway.append(caller, created('no', 'sms'), created('no', 'letters'), created('yes'));
      await eventually(() => jobs(watcher).slice(before).includes('yes'));
      expect(jobs(watcher).slice(before)).toEqual(['yes']);
    });
  });
});
