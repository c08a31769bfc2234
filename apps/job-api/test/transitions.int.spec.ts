import { jobsRpc, storedEvent, type StoredEvent } from '@spooled/contracts';
import { brokenPromises } from './model-invariants.js';
import { LoopBells } from './model-loops.js';
import { fallDue, lapse } from './model-time.js';
import { World, type Tenant } from './setup.js';

const loops = LoopBells.watch();
let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

/** Jobs by the name they have in the table below. */
type Names = Readonly<Record<string, string>>;
type Given = (tenant: Tenant) => Promise<Names>;
type When = (tenant: Tenant, ids: Names) => Promise<{ readonly status: number }>;
/** `status` is what the caller is answered, when it is a refusal. */
type Cause = [cause: string, given: Given, when: When, events: string[], status?: number];

const LATER = '2090-01-01T00:00:00Z';
const proof = { worker_id: 'w-1' };
const done = { status: 200 };

// Given
const nothing: Given = async () => ({});
const pending =
  (over: object = {}): Given =>
  async (tenant) => ({ job: await tenant.enqueue({ ...over }) });
const processing =
  (over: object = {}): Given =>
  async (tenant) => ({ job: (await tenant.leased({ ...over })).id });
const backingOff: Given = async (tenant) => {
  const { id } = await tenant.leased();
  await tenant.fail(id);
  return { job: id };
};
const deadletter: Given = async (tenant) => ({ job: await tenant.deadLetter() });
const completed: Given = async (tenant) => {
  const { id } = await tenant.leased();
  await tenant.complete(id);
  return { job: id };
};
const withOffspring =
  (given: Given): Given =>
  async (tenant) => {
    const { job } = await given(tenant);
    const child = await tenant.enqueue({ parent_job_id: job });
    return { job: job!, child, grandchild: await tenant.enqueue({ parent_job_id: child }) };
  };
const two = (given: (tenant: Tenant) => Promise<string>): Given => {
  return async (tenant) => ({ one: await given(tenant), other: await given(tenant) });
};

// When
const post =
  (path: string, body: (ids: Names) => object): When =>
  (tenant, ids) =>
    tenant.call('POST', path, body(ids));
const create = (over: (ids: Names) => object) =>
  post('/jobs', (ids) => ({ queue_name: 'emails', payload: {}, ...over(ids) }));
const bulk = (...jobs: object[]) =>
  post('/jobs/bulk', () => ({
    queue_name: 'emails',
    jobs: jobs.map((job) => ({ payload: {}, ...job })),
  }));
const ofJob =
  (method: string, path: string, body?: object): When =>
  (tenant, { job }) =>
    tenant.call(method, `/jobs/${job!}${path}`, body);
const claim = post('/jobs/claim', () => ({ queue_name: 'emails', limit: 10, ...proof }));
const complete = ofJob('POST', '/complete', proof);
const fail = ofJob('POST', '/fail', { ...proof, error: 'boom' });
const cancel = ofJob('DELETE', '');
const retry = ofJob('POST', '/retry');
const loseLease: When = async (tenant, { job }) => {
  await tenant.expireLease(job!);
  await loops.ringUntil('jobs.lease-reaper', tenant, job!, ({ lease }) => lease === null);
  return done;
};
const becomeDue: When = async (tenant, { job }) => {
  await fallDue(tenant, job!);
  await loops.ringUntil('jobs.due-stager', tenant, job!, ({ place }) => place === 'job_ready');
  return done;
};
const expire: When = async (tenant, { job }) => {
  await lapse(tenant, job!);
  await loops.ringUntil('jobs.expiry', tenant, job!, ({ status }) => status === 'cancelled');
  return done;
};
const release =
  (cause: 'requested' | 'stale'): When =>
  async ({ organizationId }) => {
    const question = { organizationId, workerId: 'w-1', cause };
    await world.others.request(jobsRpc.releaseWorker, question);
    return done;
  };

/** When each event is told. The number is the job's own count of transitions. */
// prettier-ignore
const causes: Cause[] = [
  // job inserted
  ['create', nothing, create(() => ({})), ['new JobCreated 1: pending']],
  ['create for later', nothing, create(() => ({ scheduled_at: LATER })), ['new JobCreated 1: scheduled']],
  ['create for a time that has passed', nothing, create(() => ({ scheduled_at: '2020-01-01T00:00:00Z' })), ['new JobCreated 1: pending']],
  ['create again with the same idempotency key', pending({ idempotency_key: 'k' }), create(() => ({ idempotency_key: 'k' })), []],
  ['create a child', pending(), create(({ job }) => ({ parent_job_id: job })), ['new JobCreated 1: pending']],
  ['create a child of a completed job', completed, create(({ job }) => ({ parent_job_id: job })), ['new JobCreated 1: pending']],
  ['create a child of a lost job', deadletter, create(({ job }) => ({ parent_job_id: job })), [], 400],
  ['bulk', nothing, bulk({ priority: 1 }, { priority: 2, scheduled_at: LATER }, { priority: 3 }),
    ['new JobCreated 1: pending, priority 1', 'new JobCreated 1: scheduled, priority 2', 'new JobCreated 1: pending, priority 3']],
  ['bulk with a key twice', nothing, bulk({ idempotency_key: 'k' }, { idempotency_key: 'k' }), ['new JobCreated 1: pending']],
  ['bulk with a known key', pending({ idempotency_key: 'k' }), bulk({ idempotency_key: 'k' }, {}), ['new JobCreated 1: pending']],
  ['bulk with a bad item', nothing, bulk({ priority: 1000 }, {}), ['new JobCreated 1: pending']],

  // claim
  ['claim', pending(), claim, ['job JobStatusChange 2: pending→processing, w-1']],
  ['claim of two', two((tenant) => tenant.enqueue()), claim,
    ['one JobStatusChange 2: pending→processing, w-1', 'other JobStatusChange 2: pending→processing, w-1']],
  ['claim of nothing', pending({ queue_name: 'other' }), claim, []],
  ['claim of a child that waits', withOffspring(processing()), claim, []],

  // complete
  ['complete', processing(), complete, ['job JobStatusChange 3: processing→completed, w-1', 'job JobCompleted 3: w-1']],
  ['complete with a result', processing(), ofJob('POST', '/complete', { ...proof, result: { a: 1 } }),
    ['job JobStatusChange 3: processing→completed, w-1', 'job JobCompleted 3: w-1, {"a":1}']],
  ['complete a parent', withOffspring(processing()), complete, ['job JobStatusChange 3: processing→completed, w-1', 'job JobCompleted 3: w-1']],
  ['complete twice', completed, complete, [], 409],
  ['complete what another holds', processing(), ofJob('POST', '/complete', { worker_id: 'w-2' }), [], 404],

  // fail
  ['fail, retry left', processing({ max_retries: 1 }), fail, ['job JobStatusChange 3: processing→pending, w-1', 'job JobFailed 3: w-1, boom, retry 1 follows']],
  ['fail, budget spent', processing({ max_retries: 0 }), fail, ['job JobStatusChange 3: processing→deadletter, w-1', 'job JobFailed 3: w-1, boom, given up after 0']],
  ['fail of a parent, retry left', withOffspring(processing()), fail, ['job JobStatusChange 3: processing→pending, w-1', 'job JobFailed 3: w-1, boom, retry 1 follows']],
  ['fail of a parent, budget spent', withOffspring(processing({ max_retries: 0 })), fail,
    ['job JobStatusChange 3: processing→deadletter, w-1', 'job JobFailed 3: w-1, boom, given up after 0',
      'child JobStatusChange 2: pending→cancelled (dependency_not_completed)', 'grandchild JobStatusChange 2: pending→cancelled (dependency_not_completed)']],
  ['fail what is over', completed, fail, [], 409],

  // cancel
  ['cancel', pending(), cancel, ['job JobStatusChange 2: pending→cancelled']],
  ['cancel, scheduled', pending({ scheduled_at: LATER }), cancel, ['job JobStatusChange 2: scheduled→cancelled']],
  ['cancel, backing off', backingOff, cancel, ['job JobStatusChange 4: pending→cancelled']],
  ['cancel of a parent', withOffspring(pending()), cancel,
    ['job JobStatusChange 2: pending→cancelled', 'child JobStatusChange 2: pending→cancelled (dependency_not_completed)',
      'grandchild JobStatusChange 2: pending→cancelled (dependency_not_completed)']],
  ['cancel, processing', processing(), cancel, [], 409],
  ['cancel, completed', completed, cancel, [], 409],
  ['expired before it began', pending(), expire, ['job JobStatusChange 2: pending→cancelled (expired)']],
  ['expired while scheduled', pending({ scheduled_at: LATER }), expire, ['job JobStatusChange 2: scheduled→cancelled (expired)']],
  ['expired, a parent', withOffspring(pending()), expire,
    ['job JobStatusChange 2: pending→cancelled (expired)', 'child JobStatusChange 2: pending→cancelled (dependency_not_completed)',
      'grandchild JobStatusChange 2: pending→cancelled (dependency_not_completed)']],

  // retry
  ['manual retry', deadletter, retry, ['job JobStatusChange 4: deadletter→pending']],
  ['manual retry of what is not lost', completed, retry, [], 409],

  // due
  ['scheduled job becomes due', pending({ scheduled_at: LATER }), becomeDue, ['job JobStatusChange 2: scheduled→pending']],
  ['backoff is over', backingOff, becomeDue, []],

  // lease expired, worker lost, worker deregistered
  ['lease expired, retry left', processing(), loseLease, ['job JobStatusChange 3: processing→pending, w-1 (lease_expired)']],
  ['lease expired, budget spent', processing({ max_retries: 0 }), loseLease, ['job JobStatusChange 3: processing→deadletter, w-1 (lease_expired)']],
  ['lease of a parent expired, budget spent', withOffspring(processing({ max_retries: 0 })), loseLease,
    ['job JobStatusChange 3: processing→deadletter, w-1 (lease_expired)', 'child JobStatusChange 2: pending→cancelled (dependency_not_completed)',
      'grandchild JobStatusChange 2: pending→cancelled (dependency_not_completed)']],
  ['worker lost, retry left', processing(), release('stale'), ['job JobStatusChange 3: processing→pending, w-1 (worker_lost)']],
  ['worker lost, budget spent', processing({ max_retries: 0 }), release('stale'), ['job JobStatusChange 3: processing→deadletter, w-1 (worker_lost)']],
  ['worker deregistered', processing({ max_retries: 0 }), release('requested'), ['job JobStatusChange 3: processing→pending, w-1 (worker_deregistered)']],
  ['worker deregistered that held nothing', completed, release('requested'), []],

  // no transition
  ['renew', processing(), ofJob('POST', '/heartbeat', { ...proof, lease_duration_secs: 60 }), []],
  ['progress', processing(), ofJob('POST', '/progress', { ...proof, percent: 50 }), []],
  ['log lines', processing(), ofJob('POST', '/logs', { ...proof, lines: ['x'] }), []],
  ['priority', pending(), ofJob('PUT', '/priority', { priority: 5 }), []],
  ['pause', pending(), post('/queues/emails/pause', () => ({})), ['QueuePaused']],
];

/** `job JobStatusChange 3: processing→pending, w-1 (lease_expired)`: whose, what, which number, and the rest. */
function inShort(event: StoredEvent, names: ReadonlyMap<string, string>): string {
  const details = (): string => {
    switch (event.type) {
      case 'JobCreated': {
        const { status, priority } = event.data;
        return `${status}${priority === 0 ? '' : `, priority ${priority}`}`;
      }
      case 'JobStatusChange': {
        const { old_status, new_status, worker_id, reason } = event.data;
        const worker = worker_id === undefined ? '' : `, ${worker_id}`;
        return `${old_status}→${new_status}${worker}${reason === undefined ? '' : ` (${reason})`}`;
      }
      case 'JobCompleted': {
        const { worker_id, result } = event.data;
        return `${worker_id}${result === undefined ? '' : `, ${JSON.stringify(result)}`}`;
      }
      case 'JobFailed': {
        const { worker_id, error, retry_count, will_retry, next_retry_at } = event.data;
        if (will_retry !== (next_retry_at !== undefined)) throw new Error('a retry without a time');
        const then = will_retry ? `retry ${retry_count} follows` : `given up after ${retry_count}`;
        return `${worker_id}, ${error}, ${then}`;
      }
      default:
        return '';
    }
  };
  if (!('rev' in event.data)) return event.type;
  const { job_id, rev } = event.data;
  return `${names.get(job_id) ?? 'new'} ${event.type} ${rev}: ${details()}`;
}

it.each(causes)('%s', async (...[, given, when, expected, status]) => {
  const tenant = world.key();
  const ids = await given(tenant);
  const names = new Map(Object.entries(ids).map(([name, id]) => [id, name]));
  const before = (await tenant.events()).length;
  const answer = await when(tenant, ids);
  if (status === undefined) expect(answer.status).toBeLessThan(300);
  else expect(answer.status).toBe(status);
  const told = (await tenant.events()).slice(before).map((event) => storedEvent.parse(event));
  expect(told.map((event) => inShort(event, names))).toEqual(expected);
  expect(await brokenPromises(tenant)).toEqual([]);
});
