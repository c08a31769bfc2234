import { jobLogged, jobProgressed, workerHeartbeat } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import fc from 'fast-check';
import {
  changed,
  completed,
  created,
  heartbeat,
  logged,
  progressed,
  registered,
} from './fixtures.js';
import { liveGrpc } from './grpc-client.js';
import { TestGateway, type Caller, type Wire } from './setup.js';

const RUNS = 60;
/** Tells the stranger's own event from the victim's. */
const OWN_REV = 987_654;

let gateway: TestGateway;
let victim: Caller;
/** Cursors of the victim's log. */
let cursors: readonly string[];

beforeAll(async () => {
  gateway = await TestGateway.start({
    REALTIME_MAX_WS_PER_ORGANIZATION: '10000',
    REALTIME_MAX_SSE_PER_ORGANIZATION: '10000',
    REALTIME_MAX_GRPC_PER_ORGANIZATION: '10000',
  });
  victim = gateway.caller();
  gateway.job(victim, 'their-job', 'processing', 2, 'their-queue');
  gateway.neighbours.counters.set('their-queue', {});
  const probe = await gateway.live(victim);
  await tellOfVictim();
  await eventually(() => probe.messages.length > 5);
  cursors = (probe.messages as Wire[]).flatMap(({ id }) => id ?? []);
});

afterAll(async () => {
  await gateway.stop();
});

/** Everything that can be told of an organization, with words that nobody else uses. */
async function tellOfVictim(): Promise<void> {
  await gateway.append(
    victim,
    created('their-job', 'their-queue'),
    changed('their-job', 'processing', { queue: 'their-queue' }),
    completed('their-job', { queue: 'their-queue' }),
    registered('their-worker', 'their-queue'),
  );
  const { bus } = gateway.neighbours;
  const { organizationId } = victim.principal;
  const report = { queue_name: 'their-queue', worker_id: 'their-worker' };
  const { data } = heartbeat('their-worker', 'their-job', 'their-queue');
  bus.hint(workerHeartbeat, organizationId, data);
  bus.hint(jobProgressed, organizationId, progressed('their-job', report).data);
  bus.hint(jobLogged, organizationId, logged('their-job', report).data);
}

/** What a stranger might ask for, in any combination. */
const question = fc.record({
  queue: fc.constantFrom('', 'their-queue'),
  job: fc.constantFrom('', 'their-job'),
  worker: fc.constantFrom('', 'their-worker'),
  events: fc.constantFrom(
    '',
    '*',
    'job.created,worker.heartbeat,queue.stats',
    'job.created,job.progress,job.log',
  ),
  cursor: fc.option(fc.nat(), { nil: undefined }),
  queues: fc.constantFrom<string[]>([], ['their-queue'], ['their-queue', 'emails']),
});

interface Opened {
  /** Everything that was received, as text. */
  readonly text: () => string;
  readonly close: () => void;
}

type Question = typeof question extends fc.Arbitrary<infer Q> ? Q : never;

/** Every way to ask, by a caller of another organization. */
async function askEverywhere(caller: Caller, asked: Question): Promise<Opened[]> {
  const { queue, job, worker, events } = asked;
  const after = asked.cursor === undefined ? '' : cursors[asked.cursor % cursors.length]!;
  const query = { queue, job_id: job, worker_id: worker, events, last_event_id: after };
  const text = new URLSearchParams(query).toString();
  const ticket = gateway.ticket(caller, { queue: queue || null, jobId: job || null });
  const client = await gateway.live(caller, query);
  client.send({ cmd: 'Subscribe', queue, job_id: job, last_event_id: after });
  const filter = { queue_name: queue, job_id: job, worker_id: worker, events: [] };
  client.send({ type: 'subscribe', request_id: '1', filter });
  const streams = await Promise.all([
    gateway.sse(caller, `/events?${text}`),
    gateway.sse(null, `/events?${text}&ticket=${ticket}`),
    gateway.sse(caller, `/events/jobs/their-job?events=job.log&last_event_id=${after}`),
    gateway.sse(caller, `/events/queues/their-queue?events=job.log&last_event_id=${after}`),
  ]);
  const watcher = await liveGrpc(gateway, caller, {
    queue_names: queue === '' ? [] : [queue],
    job_ids: job === '' ? [] : [job],
    event_types: events === '' ? [] : events.split(','),
    last_event_id: after,
  });
  return [
    { text: () => JSON.stringify(client.messages), close: () => client.terminate() },
    { text: () => JSON.stringify(watcher.messages), close: () => watcher.cancel() },
    ...streams.map((stream) => ({
      text: () => JSON.stringify(stream.events),
      close: () => void stream.close(),
    })),
  ];
}

it('a stranger gets nothing of another organization, whatever it asks for and wherever', async () => {
  const watching = await gateway.live(victim);
  await fc.assert(
    fc.asyncProperty(question, async (asked) => {
      const caller = gateway.caller({ queues: asked.queues });
      // Of its own it has a queue and a job of the same names, to be told apart by the organization alone.
      const opened = await askEverywhere(caller, asked);
      const before = watching.messages.length;
      await tellOfVictim();
      await eventually(() => watching.messages.length >= before + 5);
      await gateway.append(caller, created('their-job', 'their-queue', OWN_REV));
      const [socket, watcher, whole] = opened as [Opened, Opened, Opened];
      for (const { text } of [socket, watcher, whole])
        await eventually(() => text().includes(`${OWN_REV}`));
      for (const { text, close } of opened) {
        const received = text();
        expect(received).not.toContain('their-worker');
        expect(received).not.toContain('JobCompleted');
        expect(received.split('JobCreated').length - 1).toBeLessThanOrEqual(1);
        close();
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

it('a stranger’s ticket, job and key open nothing of another organization', async () => {
  const stranger = gateway.caller();
  const job = await gateway.sse(stranger, '/events/jobs/their-job');
  await job.ended;
  expect(job.events.map(({ event }) => event)).toEqual(['error']);
  const ticket = gateway.ticket(stranger, { queue: null, jobId: 'their-job' });
  const byTicket = await gateway.sse(null, `/events/jobs/their-job?ticket=${ticket}`);
  await byTicket.ended;
  expect(byTicket.events.map(({ event }) => event)).toEqual(['error']);
  const client = await gateway.live(stranger);
  client.send({ cmd: 'Authenticate', token: victim.credential, request_id: 'a' });
  await client.waitFor<Wire>(({ request_id }) => request_id === 'a');
  expect((client.messages as Wire[]).find(({ request_id }) => request_id === 'a')).toMatchObject({
    code: 'UNAUTHORIZED',
  });
});
