import { jobsRpc, type ClaimedJob } from '@spooled/contracts';
import fc from 'fast-check';
import type { Fuse } from './model-crash.js';
import { isDeferred, isPending, isProcessing, type Model, type ModelJob } from './model-jobs.js';
import { Step, type Found, type Plan, type Reply, type Room } from './model-room.js';
import { fallDue, holdBack, lapse as runOut } from './model-time.js';
import type { Tenant } from './setup.js';

/** Commands as they are generated: a step made of what it is given, named so that a failure can be read. */
function command<G extends object>(
  name: string,
  given: { readonly [K in keyof G]: fc.Arbitrary<G[K]> },
  plan: (given: G, model: Model, room: Room) => Plan,
  check = ({ jobs }: Readonly<Model>) => !('job' in given) || jobs.length > 0,
): fc.Arbitrary<Step> {
  return fc
    .record(given)
    .map(
      (values) =>
        new Step(
          `${name}(${JSON.stringify(values)})`,
          (model, room) => plan(values, model, room),
          check,
        ),
    );
}

const hasPlace = ({ jobs, maxJobs }: Readonly<Model>) => jobs.length < maxJobs;

const LATER = '2090-01-01T00:00:00Z';
const queue = fc.constantFrom('a', 'b');
const worker = fc.constantFrom('w-1', 'w-2');
const priority = fc.integer({ min: -2, max: 2 });
const maxRetries = fc.integer({ min: 0, max: 2 });
const key = fc.option(fc.constantFrom('k1', 'k2', 'k3', 'k4'), { nil: undefined, freq: 2 });
/** Which of the jobs so far. */
const job = fc.nat(10_000);
/** Mostly whoever holds the job, with a lease that holds. */
const holder = fc.oneof(
  { weight: 3, arbitrary: fc.constant('holder') },
  { weight: 1, arbitrary: worker },
);
const lease = fc.constantFrom('none', 'none', 'current', 'current', 'old');

function born(
  id: string,
  given: Pick<ModelJob, 'queue' | 'priority' | 'maxRetries' | 'key'>,
): ModelJob {
  return {
    ...given,
    id,
    status: 'pending',
    isBackingOff: false,
    waitsFor: undefined,
    retryCount: 0,
    rev: 1,
    worker: null,
    lease: null,
    oldLease: undefined,
  };
}

const enqueue = command(
  'enqueue',
  { queue, priority, maxRetries, key, isScheduled: fc.boolean() },
  (given, model, { tenant }) => {
    const known = model.byKey(given.key);
    const { isScheduled, ...fields } = given;
    const status = isScheduled ? 'scheduled' : 'pending';
    return {
      ask: () => ask(tenant, given, { scheduled_at: isScheduled ? LATER : undefined }),
      ...inserting(model, known, ({ fresh }) => ({ ...born(fresh[0]!, fields), status })),
    };
  },
  hasPlace,
);

const enqueueChild = command(
  'enqueue child',
  { job, priority, maxRetries, key },
  (given, model, { tenant }) => {
    const parent = model.pick(given.job, ({ status }) => status !== 'cancelled');
    const known = model.byKey(given.key);
    const { job: _, ...fields } = { ...given, queue: parent.queue };
    const call = () => ask(tenant, fields, { parent_job_id: parent.id });
    if (known === undefined && (parent.status === 'cancelled' || parent.status === 'deadletter')) {
      return { ask: call, answer: '400 VALIDATION_ERROR' };
    }
    const waitsFor = parent.status === 'completed' ? undefined : parent;
    return {
      ask: call,
      ...inserting(model, known, ({ fresh }) => ({ ...born(fresh[0]!, fields), waitsFor })),
    };
  },
  (model) => model.jobs.length > 0 && hasPlace(model),
);

function ask(
  tenant: Tenant,
  given: Pick<ModelJob, 'queue' | 'priority' | 'maxRetries' | 'key'>,
  more: object,
): Promise<Reply> {
  return tenant.call('POST', '/jobs', {
    queue_name: given.queue,
    payload: {},
    priority: given.priority,
    max_retries: given.maxRetries,
    idempotency_key: given.key,
    ...more,
  });
}

function inserting(
  model: Model,
  known: ModelJob | undefined,
  make: (found: Found) => ModelJob,
): Omit<Plan, 'ask'> {
  if (known !== undefined) {
    return {
      answer: '200',
      says: ({ body }) => expect(body).toEqual({ id: known.id, created: false }),
    };
  }
  return {
    answer: '201',
    effect: (found) => model.jobs.push(make(found)),
    says: ({ body }) => expect(body).toEqual({ id: model.jobs.at(-1)!.id, created: true }),
  };
}

const bulk = command(
  'bulk',
  {
    queue,
    maxRetries,
    items: fc.array(fc.record({ priority, key, isScheduled: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    }),
  },
  (given, model, { tenant }) => {
    const holder = (index: number) => model.byKey(given.items[index]!.key);
    const isNew = given.items.map(
      (item, index) =>
        item.key === undefined ||
        (holder(index) === undefined &&
          given.items.findIndex(({ key }) => key === item.key) === index),
    );
    let expected: object[] = [];
    return {
      ask: () =>
        tenant.call('POST', '/jobs/bulk', {
          queue_name: given.queue,
          default_max_retries: given.maxRetries,
          jobs: given.items.map((item) => ({
            payload: {},
            priority: item.priority,
            idempotency_key: item.key,
            scheduled_at: item.isScheduled ? LATER : undefined,
          })),
        }),
      answer: '200',
      effect: ({ fresh }) => {
        const ids = [...fresh];
        expected = given.items.map(({ isScheduled, ...item }, index) => {
          if (isNew[index]) {
            const made = born(ids.shift()!, { ...given, ...item });
            model.jobs.push({ ...made, status: isScheduled ? 'scheduled' : 'pending' });
            return { index, job_id: made.id, created: true };
          }
          return { index, job_id: holder(index)!.id, created: false };
        });
      },
      says: ({ body }) => expect(body).toMatchObject({ succeeded: expected, failed: [] }),
    };
  },
  hasPlace,
);

const claim = command(
  'claim',
  { queue, worker, limit: fc.integer({ min: 1, max: 3 }) },
  (given, model, { tenant }) => {
    const expected = model.claimable(given.queue, given.limit);
    return {
      ask: () =>
        tenant.call('POST', '/jobs/claim', {
          queue_name: given.queue,
          worker_id: given.worker,
          limit: given.limit,
          lease_duration_secs: 3600,
        }),
      answer: '200',
      effect: ({ stored }) => {
        for (const one of expected) {
          model.move(one, 'processing');
          Object.assign(one, { worker: given.worker, lease: stored(one.id).lease });
        }
      },
      says: ({ body }) => {
        const claimed = body['jobs'] as ClaimedJob[];
        expect(claimed.map(({ id, lease_id, retry_count }) => [id, lease_id, retry_count])).toEqual(
          expected.map((one) => [one.id, one.lease, one.retryCount]),
        );
      },
    };
  },
);

const proof = { job, worker: holder, lease };
type Proof = { job: number; worker: string; lease: string };

/** A call that only the holder of the current lease may make; the contract's table of misses. */
function fenced(
  given: Proof,
  model: Model,
  call: (subject: ModelJob, body: Record<string, unknown>) => Promise<Reply>,
  accepted: (subject: ModelJob) => Pick<Plan, 'effect' | 'says'>,
): Plan {
  const subject = model.pick(given.job, isProcessing);
  const worker = given.worker === 'holder' ? (subject.worker ?? 'w-1') : given.worker;
  const leases: Record<string, string | null | undefined> = {
    current: subject.lease,
    old: subject.oldLease,
  };
  const shown = leases[given.lease] ?? undefined;
  const body = { worker_id: worker, lease_id: shown };
  const plan = { ask: () => call(subject, body) };
  if (subject.worker !== worker) return { ...plan, answer: '404 NOT_FOUND' };
  if (isPending(subject)) return { ...plan, answer: '409 LEASE_EXPIRED' };
  if (!isProcessing(subject)) return { ...plan, answer: '409 CONFLICT' };
  const isFitting = shown === undefined || shown === subject.lease;
  return isFitting
    ? { ...plan, answer: '200', ...accepted(subject) }
    : { ...plan, answer: '409 LEASE_EXPIRED' };
}

const complete = command('complete', proof, (given, model, { tenant }) =>
  fenced(
    given,
    model,
    ({ id }, body) => tenant.complete(id, body),
    (subject) => ({ effect: () => model.move(subject, 'completed') }),
  ),
);

const fail = command('fail', proof, (given, model, room) => {
  let [askedAt, answeredAt] = [0, 0];
  return fenced(
    given,
    model,
    async ({ id }, body) => {
      askedAt = Date.now();
      const reply = await room.tenant.fail(id, body);
      answeredAt = Date.now();
      await holdBack(room.tenant, id);
      return reply;
    },
    (subject) => {
      const delayMs = 2 ** subject.retryCount * 1000;
      const hasBudget = subject.retryCount < subject.maxRetries;
      return {
        effect: ({ stored }) => {
          // On a slow machine the backoff was over before it could be held back.
          const isHeld = stored(subject.id).place === 'job_deferred';
          subject.isBackingOff = model.lose(subject) === 'pending' && isHeld;
        },
        says: ({ body }) => {
          expect(body['will_retry']).toBe(hasBudget);
          if (!hasBudget) return expect(body['next_retry_at']).toBeNull();
          const at = Date.parse(body['next_retry_at'] as string);
          expect(at).toBeGreaterThanOrEqual(askedAt + delayMs - 1);
          expect(at).toBeLessThanOrEqual(answeredAt + delayMs + 500);
        },
      };
    },
  );
});

const renew = command('renew', proof, (given, model, { tenant }) =>
  fenced(
    given,
    model,
    ({ id }, body) => tenant.renew(id, { ...body, lease_duration_secs: 3600 }),
    () => ({}),
  ),
);

const cancel = command('cancel', { job }, (given, model, { tenant }) => {
  const subject = model.pick(given.job, isPending);
  const call = () => tenant.cancel(subject.id);
  if (!isPending(subject)) return { ask: call, answer: '409 CONFLICT' };
  return { ask: call, answer: '204', effect: () => model.move(subject, 'cancelled') };
});

const setPriority = command('set priority', { job, priority }, (given, model, { tenant }) => {
  const subject = model.pick(given.job, isPending);
  const call = () =>
    tenant.call('PUT', `/jobs/${subject.id}/priority`, { priority: given.priority });
  if (!isPending(subject)) return { ask: call, answer: '404 NOT_FOUND' };
  const old_priority = subject.priority;
  return {
    ask: call,
    answer: '200',
    effect: () => {
      subject.priority = given.priority;
    },
    says: ({ body }) => expect(body).toMatchObject({ old_priority, new_priority: given.priority }),
  };
});

const retry = command('retry', { job }, (given, model, { tenant }) => {
  const subject = model.pick(given.job, ({ status }) => status === 'deadletter');
  const call = () => tenant.call('POST', `/jobs/${subject.id}/retry`);
  if (subject.status !== 'deadletter') return { ask: call, answer: '409 CONFLICT' };
  return {
    ask: call,
    answer: '200',
    effect: () => {
      model.move(subject, 'pending');
      Object.assign(subject, { retryCount: 0, worker: null });
    },
    says: ({ body }) =>
      expect(body).toMatchObject({
        status: 'pending',
        retry_count: 0,
        last_error: null,
        completed_at: null,
        scheduled_at: null,
      }),
  };
});

const done: Reply = { status: 200, body: {} };

const loseLease = command('lose lease', { job }, (given, model, room) => {
  const subject = model.pick(given.job, isProcessing);
  if (!isProcessing(subject)) return { ask: async () => done, answer: '200' };
  const { id, worker, lease } = subject;
  return {
    ask: async () => {
      await room.tenant.expireLease(id);
      // Refused whether or not the reaper came first.
      const reply = await room.tenant.complete(id, { worker_id: worker, lease_id: lease });
      await room.loops.ringUntil(
        'jobs.lease-reaper',
        room.tenant,
        id,
        ({ status }) => status !== 'processing',
      );
      return reply;
    },
    answer: /^409 (LEASE_EXPIRED|CONFLICT)$/,
    effect: () => model.lose(subject),
  };
});

const becomeDue = command('become due', { job }, (given, model, room) => {
  const subject = model.pick(given.job, isDeferred);
  if (!isDeferred(subject)) return { ask: async () => done, answer: '200' };
  return {
    ask: async () => {
      await fallDue(room.tenant, subject.id);
      await room.loops.ringUntil(
        'jobs.due-stager',
        room.tenant,
        subject.id,
        ({ place }) => place === 'job_ready',
      );
      return done;
    },
    answer: '200',
    effect: () => {
      if (subject.status === 'scheduled') model.move(subject, 'pending');
      subject.isBackingOff = false;
    },
  };
});

const lapse = command('lapse', { job }, (given, model, room) => {
  const subject = model.pick(given.job, isPending);
  if (!isPending(subject)) return { ask: async () => done, answer: '200' };
  const { id } = subject;
  return {
    ask: async () => {
      await runOut(room.tenant, id);
      await room.loops.ringUntil(
        'jobs.expiry',
        room.tenant,
        id,
        ({ status }) => status === 'cancelled',
      );
      return done;
    },
    answer: '200',
    effect: ({ stored }) => {
      model.move(subject, 'cancelled');
      // Whether it still names the worker of an earlier try is left open.
      subject.worker = stored(id).worker;
    },
  };
});

const releaseWorker = command(
  'release worker',
  { worker, cause: fc.constantFrom('requested' as const, 'stale' as const) },
  (given, model, { tenant, world }) => {
    const held = model.jobs.filter((one) => isProcessing(one) && one.worker === given.worker);
    const { organizationId } = tenant;
    const question = { organizationId, workerId: given.worker, cause: given.cause };
    return {
      ask: () =>
        world.others.request(jobsRpc.releaseWorker, question).then(
          (body) => ({ status: 200, body }),
          () => ({ status: 503, body: {} }),
        ),
      answer: '200',
      effect: () => {
        for (const one of held) {
          if (given.cause === 'stale') model.lose(one);
          else model.move(one, 'pending');
        }
      },
      says: ({ body }) => expect(body).toEqual({ released: held.length }),
    };
  },
);

const restart = fc.constant(
  new Step(
    'restart',
    (_, room) => ({ ask: () => room.restart().then(() => done), answer: '200' }),
    () => true,
  ),
);

const fuse: fc.Arbitrary<Fuse> = fc.oneof(
  fc.record({ atWrite: fc.integer({ min: 1, max: 16 }) }),
  fc.record({ afterTurns: fc.integer({ min: 0, max: 100 }) }),
);

const ordinary = fc.oneof(
  { weight: 5, arbitrary: enqueue },
  { weight: 2, arbitrary: enqueueChild },
  { weight: 2, arbitrary: bulk },
  { weight: 10, arbitrary: claim },
  { weight: 4, arbitrary: complete },
  { weight: 6, arbitrary: fail },
  { weight: 2, arbitrary: renew },
  { weight: 2, arbitrary: cancel },
  { weight: 2, arbitrary: setPriority },
  { weight: 4, arbitrary: retry },
  { weight: 4, arbitrary: loseLease },
  { weight: 4, arbitrary: becomeDue },
  { weight: 1, arbitrary: lapse },
  { weight: 2, arbitrary: releaseWorker },
);

/** Any command; about every eighth loses its connections, and now and then the room starts anew. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 49, arbitrary: ordinary },
  { weight: 6, arbitrary: fc.tuple(ordinary, fuse).map(([step, lit]) => step.under(lit)) },
  { weight: 1, arbitrary: restart },
);
