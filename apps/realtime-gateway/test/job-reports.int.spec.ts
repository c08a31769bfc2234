import {
  jobLogged,
  jobProgressed,
  type JobLogData,
  type JobProgressData,
} from '@spooled/contracts';
import { eventually, type SseCollection, type WsClient } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { changed, completed, created, logged, progressed } from './fixtures.js';
import { TestGateway, type Caller, type Wire } from './setup.js';
import { transports, type Wanted, type Watch } from './watch.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});

afterAll(async () => {
  await gateway.stop();
});

/** As job-api does after the commit. */
function progress({ principal }: Caller, job: string, over: Partial<JobProgressData> = {}): void {
  const { data } = progressed(job, over);
  gateway.neighbours.bus.hint(jobProgressed, principal.organizationId, data);
}

function log({ principal }: Caller, job: string, over: Partial<JobLogData> = {}): void {
  gateway.neighbours.bus.hint(jobLogged, principal.organizationId, logged(job, over).data);
}

/** `JobLog j1` */
function outline(messages: readonly Wire[]): string[] {
  return messages
    .filter(({ type }) => /^Job/.test(type))
    .map(({ type, data }) => `${type} ${String(data['job_id'])}`);
}

const sseWires = ({ events }: SseCollection): Wire[] =>
  events.map(({ data }) => JSON.parse(data) as Wire);
const wsWires = ({ messages }: WsClient): Wire[] => messages as Wire[];
const percents = (messages: readonly Wire[]): unknown[] =>
  messages.filter(({ type }) => type === 'JobProgress').map(({ data }) => data['percent']);

describe.each(Object.entries(transports))('over %s', (_name, transport) => {
  const watch = (caller: Caller, wanted: Wanted = {}): Promise<Watch> =>
    transport.watch(transport.port(gateway), caller, wanted);

  it.each<[events: string[] | undefined, told: string[]]>([
    [undefined, ['JobCreated']],
    [['*'], ['JobCreated']],
    [['job.created', 'worker.heartbeat'], ['JobCreated']],
    [['job.progress'], ['JobProgress']],
    [['JobLog'], ['JobLog']],
    [
      ['JOB.log', 'jobprogress'],
      ['JobProgress', 'JobLog'],
    ],
    [
      ['*', 'job.log'],
      ['JobLog', 'JobCreated'],
    ],
  ])('asking for %j is told of a report: %j', async (events, told) => {
    const caller = gateway.caller();
    const asked = await watch(caller, events === undefined ? {} : { events });
    const whole = await watch(caller, { events: ['*', 'job.progress', 'job.log'] });
    progress(caller, 'j1');
    log(caller, 'j1');
    await eventually(() => expect(outline(whole.messages)).toHaveLength(2));
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(whole.events).toHaveLength(1));
    await eventually(() =>
      expect(outline(asked.messages)).toEqual(told.map((type) => `${type} j1`)),
    );
  });

  it('has them as they were reported, without a cursor', async () => {
    const caller = gateway.caller();
    const asked = await watch(caller, { events: ['job.progress', 'job.log'] });
    const half = progressed('j1', { percent: 12.5, message: 'ü€😀' });
    const lines = logged('j1', { offset: 4_000_000, lines: ['', '\u0007"\\', 'ü€😀'] });
    progress(caller, 'j1', half.data);
    log(caller, 'j1', lines.data);
    await eventually(() =>
      expect(asked.messages.filter(({ type }) => type !== 'Ping')).toEqual([half, lines]),
    );
  });

  it.each<[string, Wanted]>([
    ['queue', { queue: 'emails' }],
    ['job', { job: 'mine' }],
    ['queue and job', { queue: 'emails', job: 'mine' }],
  ])('is bound by the %s', async (_filter, wanted) => {
    const caller = gateway.caller();
    const asked = await watch(caller, { ...wanted, events: ['job.progress', 'job.log'] });
    for (const report of [progress, log]) report(caller, 'other', { queue_name: 'sms' });
    for (const report of [progress, log]) report(caller, 'mine');
    await eventually(() =>
      expect(outline(asked.messages)).toEqual(['JobProgress mine', 'JobLog mine']),
    );
  });

  it('stays inside the queues of a key, and inside the organization', async () => {
    const caller = gateway.caller();
    const { organizationId } = caller.principal;
    const scoped = gateway.caller({ organizationId, queues: ['emails'] });
    const stranger = gateway.caller();
    const asked = await watch(scoped, { events: ['job.progress', 'job.log'] });
    const foreign = await watch(stranger, { events: ['job.progress', 'job.log', 'job.created'] });
    for (const report of [progress, log]) report(caller, 'secret', { queue_name: 'sms' });
    for (const report of [progress, log]) report(caller, 'j1');
    await eventually(() =>
      expect(outline(asked.messages)).toEqual(['JobProgress j1', 'JobLog j1']),
    );
    await gateway.append(stranger, created('own'));
    await eventually(() => expect(outline(foreign.messages)).toEqual(['JobCreated own']));
  });

  it('has an event of 30 KiB', async () => {
    const caller = gateway.caller();
    const asked = await watch(caller, { events: ['job.log'] });
    const lines = Array.from({ length: 7 }, () => 'x'.repeat(4096));
    log(caller, 'j1', { lines });
    await eventually(() => expect(asked.messages.at(-1)?.data['lines']).toEqual(lines));
  });
});

describe('progress of one job', () => {
  const events = 'job.progress';

  it('is told at most once a second, the last one always', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller, { events });
    const startedAt = performance.now();
    for (let percent = 1; percent <= 99; percent += 1) progress(caller, 'j1', { percent });
    await eventually(() => expect(percents(wsWires(client)).at(-1)).toBe(99));
    progress(caller, 'j1', { percent: 100 });
    await eventually(() => expect(percents(wsWires(client)).at(-1)).toBe(100));
    const told = percents(wsWires(client)) as number[];
    expect(told[0]).toBe(1);
    expect(told).toEqual([...new Set(told)].sort((one, other) => one - other));
    // Three, unless the machine took more than a second to pass them all on.
    expect(performance.now() - startedAt).toBeGreaterThan((told.length - 1) * 1000 - 50);
  });

  it('waits for no other job', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller, { events });
    for (const job of ['j1', 'j1', 'j2', 'j3']) progress(caller, job);
    const told = ['j1', 'j2', 'j3', 'j1'].map((job) => `JobProgress ${job}`);
    await eventually(() => expect(outline(wsWires(client))).toEqual(told));
  });

  it('never goes back to a report that was overtaken', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller, { events });
    progress(caller, 'j1', { percent: 1, timestamp: '2026-11-23T20:00:00.001Z' });
    progress(caller, 'j1', { percent: 3, timestamp: '2026-11-23T20:00:00.003Z' });
    progress(caller, 'j1', { percent: 2, timestamp: '2026-11-23T20:00:00.002Z' });
    await eventually(() => expect(percents(wsWires(client))).toEqual([1, 3]));
  });

  it('that is held back goes before the next event of the job', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller, { events: '*,job.progress', job_id: 'j1' });
    progress(caller, 'j1', { percent: 99 });
    progress(caller, 'j1', { percent: 100 });
    await eventually(() => expect(percents(wsWires(client))).not.toEqual([]));
    await gateway.append(caller, changed('j1', 'completed'), completed('j1'));
    await eventually(() => expect(outline(wsWires(client))).toHaveLength(4));
    expect(outline(wsWires(client))).toEqual([
      'JobProgress j1',
      'JobProgress j1',
      'JobStatusChange j1',
      'JobCompleted j1',
    ]);
    expect(percents(wsWires(client))).toEqual([99, 100]);
  });

  it('is told at once to who comes after those who did not ask for it', async () => {
    const caller = gateway.caller();
    const bystander = await gateway.live(caller);
    progress(caller, 'j1', { percent: 1 });
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(outline(wsWires(bystander))).toEqual(['JobCreated j1']));
    const client = await gateway.live(caller, { events });
    // Had the first one begun an interval, 3 would take the place of 2.
    for (const percent of [2, 3]) progress(caller, 'j1', { percent });
    await eventually(() => expect(percents(wsWires(client))).toEqual([2, 3]));
  });
});

describe('a WebSocket', () => {
  const ask = async (client: WsClient, command: object): Promise<Wire> => {
    const request_id = randomUUID();
    client.send({ ...command, request_id });
    return client.waitFor<Wire>((message) => message.request_id === request_id);
  };

  it.each([
    ['cmd', (verb: string, events: string[]) => ({ cmd: verb, job_id: 'j1', events })],
    [
      'type',
      (verb: string, events: string[]) => ({ type: verb, filter: { job_id: 'j1', events } }),
    ],
  ])('subscribes by name, and unsubscribes, in the dialect with `%s`', async (_name, command) => {
    const caller = gateway.caller();
    const [client, probe] = [
      await gateway.live(caller),
      await gateway.live(caller, { events: 'job.log' }),
    ];
    await ask(client, command('subscribe', []));
    log(caller, 'j1', { offset: 0 });
    await eventually(() => expect(outline(wsWires(probe))).toHaveLength(1));
    expect((await ask(client, command('subscribe', ['job.log']))).type).toBe('subscribed');
    for (const job of ['j2', 'j1']) log(caller, job, { offset: 2 });
    await eventually(() => expect(outline(wsWires(client))).toEqual(['JobLog j1']));
    await ask(client, command('unsubscribe', ['job.log']));
    log(caller, 'j1', { offset: 4 });
    await eventually(() => expect(outline(wsWires(probe))).toHaveLength(4));
    await gateway.append(caller, created('j1'));
    await eventually(() =>
      expect(outline(wsWires(client))).toEqual(['JobLog j1', 'JobCreated j1']),
    );
    const told = wsWires(client).filter(({ type }) => type === 'JobLog');
    expect(told).toMatchObject([{ data: { offset: 2 } }]);
  });

  it('gets what its URL names whatever it subscribes to, and nothing that the URL excludes', async () => {
    const caller = gateway.caller();
    const named = await gateway.live(caller, { events: 'job.log' });
    const excluded = await gateway.live(caller, { events: 'job.created' });
    await ask(named, { cmd: 'Subscribe', queue: 'emails' });
    await ask(excluded, { cmd: 'Subscribe', events: ['job.log', 'job.created'] });
    for (const queue_name of ['sms', 'emails']) log(caller, queue_name, { queue_name });
    await eventually(() => expect(outline(wsWires(named))).toEqual(['JobLog emails']));
    await gateway.append(caller, created('end'));
    await eventually(() => expect(outline(wsWires(excluded))).toEqual(['JobCreated end']));
  });

  it('is not bound by `worker_id`, which is for the events about workers', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller, { events: 'job.progress,job.log', worker_id: 'w2' });
    progress(caller, 'j1', { worker_id: 'w1' });
    log(caller, 'j1', { worker_id: 'w1' });
    await eventually(() =>
      expect(outline(wsWires(client))).toEqual(['JobProgress j1', 'JobLog j1']),
    );
  });

  it('loses what a narrower credential may not see', async () => {
    const caller = gateway.caller();
    const { organizationId } = caller.principal;
    const narrow = gateway.caller({ organizationId, queues: ['sms'] });
    const client = await gateway.live(caller, { events: 'job.log' });
    log(caller, 'j1');
    await eventually(() => expect(outline(wsWires(client))).toEqual(['JobLog j1']));
    await ask(client, { cmd: 'Authenticate', token: narrow.credential });
    log(caller, 'j2');
    log(caller, 'j3', { queue_name: 'sms' });
    await eventually(() => expect(outline(wsWires(client))).toEqual(['JobLog j1', 'JobLog j3']));
  });

  it.each([
    ['queue', { queue: 'emails', jobId: null }],
    ['job', { queue: null, jobId: 'mine' }],
  ])('by a ticket for a %s stays inside it', async (_name, narrowedTo) => {
    const caller = gateway.caller();
    const ticket = gateway.ticket(caller, narrowedTo);
    const client = await gateway.ws(null, { ticket, events: 'job.progress,job.log' });
    await client.waitFor<Wire>(({ type }) => type === 'Ping');
    for (const report of [progress, log]) report(caller, 'other', { queue_name: 'sms' });
    for (const report of [progress, log]) report(caller, 'mine');
    await eventually(() =>
      expect(outline(wsWires(client))).toEqual(['JobProgress mine', 'JobLog mine']),
    );
  });
});

describe('the stream of a job', () => {
  const settle = (caller: Caller): Promise<void> =>
    gateway.append(
      caller,
      changed('j1', 'completed', { from: 'processing', rev: 3 }),
      completed('j1'),
    );

  it.each([
    ['', []],
    ['?events=', []],
    ['?events=*', []],
    ['?events=job.created', []],
    ['?events=job.progress', ['JobProgress j1']],
    ['?events=JobLog,queue.stats', ['JobLog j1']],
    ['?events=*,job.progress,job.log', ['JobProgress j1', 'JobLog j1']],
  ])('%s has, beside its own events, what is named: %j', async (query, told) => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'processing', 2);
    const probe = await gateway.live(caller, { events: 'job.progress,job.log' });
    const stream = await gateway.sse(caller, `/events/jobs/j1${query}`);
    for (const job of ['j2', 'j1']) for (const report of [progress, log]) report(caller, job);
    await eventually(() => expect(outline(wsWires(probe))).toHaveLength(4));
    await settle(caller);
    await stream.ended;
    expect(outline(sseWires(stream))).toEqual([
      'JobStatusChange j1',
      ...told,
      'JobStatusChange j1',
      'JobCompleted j1',
    ]);
    expect(sseWires(stream).filter(({ id }) => id !== undefined)).toHaveLength(2);
  });

  it('tells the last progress before the outcome ends it', async () => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'processing', 2);
    const stream = await gateway.sse(caller, '/events/jobs/j1?events=job.progress');
    for (const percent of [1, 50, 100]) progress(caller, 'j1', { percent });
    await eventually(() => expect(percents(sseWires(stream))).not.toEqual([]));
    await settle(caller);
    await stream.ended;
    expect(percents(sseWires(stream))).toEqual([1, 100]);
  });

  it('names events on their lines, and gives them no id', async () => {
    const caller = gateway.caller();
    gateway.job(caller, 'j1', 'processing', 2);
    const stream = await gateway.sse(caller, '/events/jobs/j1?events=job.progress,job.log');
    progress(caller, 'j1');
    log(caller, 'j1');
    await stream.waitForCount(3);
    expect(stream.events.map(({ event, id }) => [event, id])).toEqual([
      ['job.status', undefined],
      ['job.progress', undefined],
      ['job.log', undefined],
    ]);
  });
});

describe('the stream of a queue', () => {
  it('has reports of its jobs only when they are named', async () => {
    const caller = gateway.caller();
    const plain = await gateway.sse(caller, '/events/queues/emails');
    const asked = await gateway.sse(caller, '/events/queues/emails?events=job.progress,job.log');
    for (const report of [progress, log]) report(caller, 'other', { queue_name: 'sms' });
    for (const report of [progress, log]) report(caller, 'j1');
    await eventually(() =>
      expect(outline(sseWires(asked))).toEqual(['JobProgress j1', 'JobLog j1']),
    );
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(outline(sseWires(plain))).toEqual(['JobCreated j1']));
    await eventually(() => expect(outline(sseWires(asked))).toContain('JobCreated j1'));
  });
});
