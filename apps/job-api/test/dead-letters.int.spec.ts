import {
  plans,
  queueChanged,
  workAvailable,
  type DeadLetter,
  type PlanLimits,
  type StoredEvent,
} from '@spooled/contracts';
import { eventually, Signal } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { fullCount, leftovers } from './leftovers.js';
import { World, type Tenant } from './setup.js';

let world: World;
const changes = new Signal<string>();
/** The queues that were last told to have work, by organization. */
const woken = new Map<string, Set<string>>();
beforeAll(async () => {
  world = await World.setup();
  world.others.onHint(workAvailable, ({ queueNames }, organizationId) => {
    woken.set(organizationId, new Set(queueNames));
  });
  world.others.onHint(queueChanged, ({ queueName }, organizationId) =>
    changes.fire(`${organizationId} ${queueName}`),
  );
});
afterAll(() => world.stop());

interface Retried {
  readonly retried_count: number;
  readonly retried_jobs: string[];
}
interface Purged {
  readonly purged_count: number;
}

const list = async (tenant: Tenant, query = '') =>
  (await tenant.call<DeadLetter[]>('GET', `/jobs/dlq${query}`)).body;
const retry = (tenant: Tenant, body?: unknown) =>
  tenant.call<Retried>('POST', '/jobs/dlq/retry', body);
const purge = (tenant: Tenant, body?: unknown) =>
  tenant.call<Purged>('POST', '/jobs/dlq/purge', body);
const ids = (letters: readonly { id: string }[]) => letters.map(({ id }) => id);
const sameKey = (tenant: Tenant, options: { queues?: string[]; plan?: Partial<PlanLimits> }) =>
  world.key({ organizationId: tenant.organizationId, ...options });

/** Dead letters by name, given up in the order of the alphabet: a, b, c of `emails`, d and e of `reports`. */
type Name = 'a' | 'b' | 'c' | 'd' | 'e';
async function fiveLetters(tenant: Tenant): Promise<Record<Name, string>> {
  const letters: Partial<Record<Name, string>> = {};
  for (const name of ['a', 'b', 'c', 'd', 'e'] as const) {
    const queue_name = name < 'd' ? 'emails' : 'reports';
    // a and d are letters, the others are bills.
    const job_type = name === 'a' || name === 'd' ? 'letter' : 'bill';
    letters[name] = await tenant.deadLetter({
      queue_name,
      idempotency_key: name,
      tags: [name, job_type],
      payload: { job_type },
    });
  }
  return letters as Record<Name, string>;
}

async function manyLetters(tenant: Tenant, count: number): Promise<string[]> {
  const made: string[] = [];
  while (made.length < count) {
    const jobs = Array.from({ length: Math.min(100, count - made.length) }, () => ({ payload: 1 }));
    await tenant.call('POST', '/jobs/bulk', {
      queue_name: 'emails',
      jobs,
      default_max_retries: 0,
    });
    const claimed = await tenant.claim({ limit: 100 });
    await Promise.all(claimed.map(({ id }) => tenant.fail(id)));
    made.push(...ids(claimed));
  }
  return made;
}

async function expectTrueCounts(tenant: Tenant): Promise<void> {
  for (const queue of [undefined, 'emails', 'reports']) {
    expect({ queue, ...(await tenant.stats(queue)) }).toEqual({
      queue,
      ...(await fullCount(tenant, queue)),
    });
  }
}

describe('GET /jobs/dlq', () => {
  it('shows a dead letter as a summary with why it was given up and what it carries', async () => {
    const tenant = world.key();
    const payload = { big: 1, deep: [{ x: null }] };
    const id = await tenant.deadLetter({ payload, tags: ['a'], timeout_seconds: 7, priority: 3 });
    const job = await tenant.job(id);
    expect(await list(tenant)).toEqual([
      {
        id,
        organization_id: tenant.organizationId,
        queue_name: 'emails',
        status: 'deadletter',
        priority: 3,
        retry_count: 0,
        attempt: 0,
        max_retries: 0,
        timeout_seconds: 7,
        payload,
        tags: ['a'],
        job_type: '',
        last_error: 'boom',
        reason: 'retries spent',
        created_at: job.created_at,
        scheduled_at: null,
        started_at: job.started_at,
        completed_at: job.completed_at,
        updated_at: job.updated_at,
      },
    ]);
  });

  it('says whether there is more', async () => {
    const tenant = world.key();
    await tenant.deadLetter();
    await tenant.deadLetter();
    for (const [limit, expected] of [
      [1, 'true'],
      [2, 'false'],
    ]) {
      const { headers } = await tenant.call('GET', `/jobs/dlq?limit=${limit}`);
      expect(headers.get('x-has-more')).toBe(expected);
    }
  });

  it('leaves a payload above 64 KiB to the job itself', async () => {
    const tenant = world.key();
    const text = (bytes: number) => 'x'.repeat(bytes - 2);
    // Compressed, both are short.
    const fits = await tenant.deadLetter({ payload: text(65_536) });
    const large = await tenant.deadLetter({ payload: text(65_537) });
    const dense = await tenant.deadLetter({
      payload: Array.from({ length: 3000 }, () => randomUUID()),
    });
    const none = await tenant.deadLetter({ payload: null });
    const found = new Map((await list(tenant)).map((letter) => [letter.id, letter]));
    expect(found.get(fits)!.payload).toBe(text(65_536));
    expect(found.get(large)).not.toHaveProperty('payload');
    expect(found.get(dense)).not.toHaveProperty('payload');
    expect(found.get(none)!.payload).toBeNull();
    expect((await tenant.job(large)).payload).toBe(text(65_537));
  });

  it('keeps numbers as they were sent', async () => {
    const tenant = world.key();
    await tenant.call(
      'POST',
      '/jobs',
      '{"queue_name":"emails","max_retries":0,"payload":{"n":12345678901234567890.10}}',
    );
    const [job] = await tenant.claim();
    await tenant.fail(job!.id);
    const { text } = await tenant.call('GET', '/jobs/dlq');
    expect(text).toContain('"payload":{"n":12345678901234567890.10}');
  });

  it('lists what was given up last first, however old the job is', async () => {
    const tenant = world.key();
    const old = await tenant.leased({ max_retries: 0 });
    const young = await tenant.deadLetter({ queue_name: 'reports' });
    await tenant.fail(old.id);
    expect(ids(await list(tenant))).toEqual([old.id, young]);
  });

  it.each<[query: string, expected: string]>([
    ['', 'e d c b a'],
    ['?queue_name=emails', 'c b a'],
    ['?queue_name=reports', 'e d'],
    ['?queue_name=nowhere', ''],
    ['?queue_name=%00', 'e d c b a'],
    ['?tag=b', 'b'],
    ['?tag=b&queue_name=reports', ''],
    ['?tag=not%20a%20tag', 'e d c b a'],
    ['?job_type=bill', 'e c b'],
    ['?job_type=bill&queue_name=emails&limit=1', 'c'],
    ['?job_type=letter&tag=d', 'd'],
    ['?q=c', 'c'],
    ['?q=email', 'c b a'],
    ['?q=BILL', 'e c b'],
    ['?q=letter&queue_name=reports', 'd'],
    ['?q=bill&limit=1&offset=1', 'c'],
    ['?q=nothing', ''],
    ['?limit=2', 'e d'],
    ['?limit=2&offset=3', 'b a'],
    ['?limit=0', 'e'],
    ['?limit=1000', 'e d c b a'],
    ['?offset=99', ''],
    ['?queue_name=emails&limit=1&offset=1', 'b'],
  ])('with "%s" lists "%s"', async (query, expected) => {
    const tenant = world.key();
    const letters = await fiveLetters(tenant);
    await tenant.enqueue();
    const named = new Map(Object.entries(letters).map(([name, id]) => [id, name]));
    expect((await list(tenant, query)).map(({ id }) => named.get(id)).join(' ')).toBe(expected);
  });

  it.each(['?limit=x', '?offset=1.5'])('refuses "%s"', async (query) => {
    const answer = await world.key().call('GET', `/jobs/dlq${query}`);
    expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR' } });
  });

  it('shows a key its own queues only, and nothing of other organizations', async () => {
    const tenant = world.key();
    const { d, e } = await fiveLetters(tenant);
    const scoped = sameKey(tenant, { queues: ['reports'] });
    expect(ids(await list(scoped))).toEqual([e, d]);
    expect(await list(scoped, '?queue_name=emails')).toEqual([]);
    expect(await list(world.key())).toEqual([]);
  });
});

describe('POST /jobs/dlq/retry', () => {
  type Selection = (letters: Record<Name, string>) => unknown;
  const selections: [body: string, select: Selection, retried: string][] = [
    ['nothing', () => undefined, 'a b c d e'],
    ['{}', () => ({}), 'a b c d e'],
    ['nulls', () => ({ job_ids: null, queue_name: null }), 'a b c d e'],
    ['limit 2', () => ({ limit: 2 }), 'a b'],
    ['limit 100', () => ({ limit: 100 }), 'a b c d e'],
    ['a queue', () => ({ queue_name: 'reports' }), 'd e'],
    ['a queue and a limit', () => ({ queue_name: 'emails', limit: 1 }), 'a'],
    ['a queue that is unknown', () => ({ queue_name: 'nowhere' }), ''],
    ['a tag', () => ({ tag: 'letter' }), 'a d'],
    ['a tag, a queue and a limit', () => ({ tag: 'bill', queue_name: 'emails', limit: 1 }), 'b'],
    ['a type', () => ({ job_type: 'bill' }), 'b c e'],
    ['a type and a tag', () => ({ job_type: 'bill', tag: 'c' }), 'c'],
    ['a tag that nothing has', () => ({ tag: 'nothing' }), ''],
    ['ids', ({ a, c, e }) => ({ job_ids: [e, c, a] }), 'a c e'],
    ['an id twice', ({ b }) => ({ job_ids: [b, b] }), 'b'],
    ['as many ids as the limit', ({ a, b }) => ({ job_ids: [a, b], limit: 2 }), 'a b'],
    ['ids and a queue', ({ a, d }) => ({ job_ids: [a, d], queue_name: 'reports' }), 'd'],
    ['unknown ids', ({ a }) => ({ job_ids: [randomUUID(), 'x', '', a] }), 'a'],
    ['no ids at all', () => ({ job_ids: [] }), ''],
  ];
  it.each(selections)('of %s retries the right ones', async (_, select, expected) => {
    const tenant = world.key();
    const letters = await fiveLetters(tenant);
    const names = expected === '' ? [] : (expected.split(' ') as Name[]);
    const answer = await retry(tenant, select(letters));
    const chosen = names.map((name) => letters[name]);
    expect(answer).toMatchObject({
      status: 200,
      body: { retried_count: names.length, retried_jobs: chosen },
    });
    const rest = Object.values(letters).filter((id) => !chosen.includes(id));
    expect(ids(await list(tenant)).sort()).toEqual(rest.sort());
    for (const id of chosen) expect(await tenant.statusOf(id)).toBe('pending');
    await expectTrueCounts(tenant);
  });

  it('returns a job to pending as if it were new, and tells', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ max_retries: 1, idempotency_key: 'k' });
    await tenant.claim();
    await tenant.fail(id);
    await tenant.makeDue(id);
    await tenant.claim({ wait_secs: 20 });
    await tenant.fail(id);
    const dead = await tenant.job(id);
    await retry(tenant);
    expect(await tenant.job(id)).toEqual({
      ...dead,
      status: 'pending',
      retry_count: 0,
      last_error: null,
      scheduled_at: null,
      completed_at: null,
      result: null,
      assigned_worker_id: null,
      updated_at: expect.any(String),
    });
    expect((await tenant.story(id)).at(-1)).toBe('deadletter→pending 6');
    expect(await leftovers(tenant, [id])).toEqual([
      'idempotency_key.job_id',
      'job.id',
      'job_attempt.id',
      'job_attempt.id',
      'job_ready.id',
    ]);
    const again = await tenant.call('POST', '/jobs', {
      queue_name: 'emails',
      payload: 1,
      idempotency_key: 'k',
    });
    expect(again).toMatchObject({ status: 200, body: { id, created: false } });
    const [claimed] = await tenant.claim();
    expect(claimed).toMatchObject({ id, retry_count: 0, max_retries: 1 });
    expect((await tenant.complete(id)).status).toBe(200);
  });

  it('leaves jobs alone that are no dead letters', async () => {
    const tenant = world.key();
    const { id: completed } = await tenant.leased();
    await tenant.complete(completed);
    const cancelled = await tenant.enqueue();
    await tenant.cancel(cancelled);
    const { id: processing } = await tenant.leased();
    const pending = await tenant.enqueue();
    const foreign = await world.key().deadLetter();
    const all = [completed, cancelled, processing, pending, foreign];
    expect((await retry(tenant, { job_ids: all })).body.retried_count).toBe(0);
    expect((await retry(tenant)).body.retried_count).toBe(0);
    expect(await tenant.stats()).toMatchObject({
      completed: 1,
      cancelled: 1,
      processing: 1,
      pending: 1,
    });
  });

  it('wakes claims that wait for work', async () => {
    const tenant = world.key();
    await fiveLetters(tenant);
    await retry(tenant);
    const { organizationId } = tenant;
    await eventually(() =>
      expect(woken.get(organizationId)).toEqual(new Set(['emails', 'reports'])),
    );
  });

  const scoped = { queues: ['reports', 'invoices'] };
  const refusals: [what: string, key: { queues?: string[] }, body: Selection, refusal: string][] = [
    ['a limit of 0', {}, () => ({ limit: 0 }), '400 VALIDATION_ERROR'],
    ['a limit of 101', {}, () => ({ limit: 101 }), '400 VALIDATION_ERROR'],
    ['half a limit', {}, () => ({ limit: 1.5 }), '400 VALIDATION_ERROR'],
    ['a limit as text', {}, () => ({ limit: '5' }), '400 VALIDATION_ERROR'],
    [
      'more ids than limit',
      {},
      ({ a, b }) => ({ job_ids: [a, b], limit: 1 }),
      '400 VALIDATION_ERROR',
    ],
    ['101 ids', {}, ({ a }) => ({ job_ids: Array(101).fill(a) }), '400 VALIDATION_ERROR'],
    ['one id without a list', {}, ({ a }) => ({ job_ids: a }), '400 VALIDATION_ERROR'],
    ['an id that is a number', {}, () => ({ job_ids: [1] }), '400 VALIDATION_ERROR'],
    ['an impossible queue', {}, () => ({ queue_name: '.x' }), '400 VALIDATION_ERROR'],
    ['an empty tag', {}, () => ({ tag: '' }), '400 VALIDATION_ERROR'],
    ['ids and a tag', {}, ({ a }) => ({ job_ids: [a], tag: 'a' }), '400 VALIDATION_ERROR'],
    ['a tag without a queue, of a scoped key', scoped, () => ({ tag: 'd' }), '403 ACCESS_DENIED'],
    ['an empty queue name', {}, () => ({ queue_name: '' }), '400 VALIDATION_ERROR'],
    ['a list', {}, () => [], '400 VALIDATION_ERROR'],
    ['no JSON', {}, () => '{', '400 INVALID_JSON'],
    ['no queue, of a scoped key', scoped, () => ({}), '403 ACCESS_DENIED'],
    ['no body, of a scoped key', scoped, () => undefined, '403 ACCESS_DENIED'],
    [
      'a foreign queue, of a scoped key',
      scoped,
      () => ({ queue_name: 'emails' }),
      '403 ACCESS_DENIED',
    ],
    ['ids, of a scoped key', scoped, ({ d }) => ({ job_ids: [d] }), '403 ACCESS_DENIED'],
    [
      'ids and a queue, of a scoped key',
      scoped,
      ({ d }) => ({ job_ids: [d], queue_name: 'reports' }),
      '403 ACCESS_DENIED',
    ],
    [
      'no ids, of a scoped key',
      scoped,
      () => ({ job_ids: [], queue_name: 'reports' }),
      '403 ACCESS_DENIED',
    ],
  ];
  it.each(refusals)('refuses %s', async (_, key, body, refusal) => {
    const tenant = world.key();
    const letters = await fiveLetters(tenant);
    const answer = await sameKey(tenant, key).call('POST', '/jobs/dlq/retry', body(letters));
    expect(`${answer.status} ${String(answer.body['code'])}`).toBe(refusal);
    expect(await list(tenant)).toHaveLength(5);
  });

  it('serves a scoped key that names one of its queues', async () => {
    const tenant = world.key();
    const { d, e } = await fiveLetters(tenant);
    const answer = await retry(sameKey(tenant, scoped), { queue_name: 'reports' });
    expect(answer.body).toEqual({ retried_count: 2, retried_jobs: [d, e] });
  });

  describe('under a cap of active jobs', () => {
    const plan = { ...plans.free, max_active_jobs: 3, rate_limit_burst: 1000 };

    it('retries all of them or none', async () => {
      const tenant = world.key();
      await fiveLetters(tenant);
      await tenant.enqueue();
      const capped = sameKey(tenant, { plan });
      const refused = await capped.call('POST', '/jobs/dlq/retry', { limit: 3 });
      expect(refused).toMatchObject({
        status: 429,
        body: {
          code: 'QUOTA_EXCEEDED',
          error: 'limit_exceeded',
          resource: 'active_jobs',
          current: 1,
          limit: 3,
          plan: 'free',
          upgrade_to: 'starter',
        },
      });
      expect(refused.headers.get('retry-after')).toBeNull();
      expect(refused.headers.get('x-ratelimit-limit')).not.toBeNull();
      expect(await tenant.stats()).toMatchObject({ pending: 1, deadletter: 5 });
      expect((await retry(capped, { limit: 2 })).body.retried_count).toBe(2);
      expect((await retry(capped, { limit: 1 })).status).toBe(429);
      // Nothing is added when nothing is found.
      expect((await retry(capped, { queue_name: 'nowhere' })).status).toBe(200);
    });

    it('is no feature of a plan that allows none', async () => {
      const tenant = world.key();
      await tenant.deadLetter();
      const none = sameKey(tenant, { plan: { ...plan, max_active_jobs: 0 } });
      expect(await none.call('POST', '/jobs/dlq/retry')).toMatchObject({
        status: 403,
        body: { code: 'FEATURE_DISABLED', feature: 'active_jobs' },
      });
    });

    it('never exceeds it, however many ask at once', async () => {
      const tenant = world.key();
      await manyLetters(tenant, 30);
      const capped = sameKey(tenant, { plan: { ...plan, max_active_jobs: 10 } });
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => retry(capped, { limit: 3 })),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(5);
      expect(await tenant.stats()).toMatchObject({ pending: 9, deadletter: 21 });
      await expectTrueCounts(tenant);
    });
  });

  it.each<[what: string, body: (all: string[]) => unknown]>([
    ['without ids', () => ({ limit: 40 })],
    ['of one queue', () => ({ limit: 40, queue_name: 'emails' })],
    ['with the same ids', (all) => ({ job_ids: all })],
    ['with the same ids, backwards', (all) => ({ job_ids: all.toReversed() })],
  ])('by several callers at once, %s, retries each job once', async (_, body) => {
    const tenant = world.key();
    const all = await manyLetters(tenant, 100);
    const answers = await Promise.all(Array.from({ length: 6 }, () => retry(tenant, body(all))));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    const retried = answers.flatMap((answer) => answer.body.retried_jobs);
    expect(new Set(retried).size).toBe(retried.length);
    expect(await returned(tenant)).toEqual(retried.sort());
    await expectTrueCounts(tenant);
  });

  it('and purge at once share the letters between them', async () => {
    const tenant = world.key();
    const all = await manyLetters(tenant, 100);
    const [retries, purges] = await Promise.all([
      Promise.all(Array.from({ length: 4 }, () => retry(tenant, { limit: 15 }))),
      Promise.all(Array.from({ length: 4 }, () => purge(tenant, { limit: 15, confirm: true }))),
    ]);
    const retried = retries.flatMap(({ body }) => body.retried_jobs);
    const purged = purges.reduce((sum, { body }) => sum + body.purged_count, 0);
    expect(new Set(retried).size).toBe(retried.length);
    const stats = await tenant.stats();
    expect(stats).toMatchObject({ pending: retried.length, total: 100 - purged });
    const letters = new Set([...ids(await list(tenant, '?limit=100')), ...retried]);
    const gone = all.filter((id) => !letters.has(id));
    expect(gone).toHaveLength(purged);
    expect(await leftovers(tenant, gone)).toEqual([]);
    await expectTrueCounts(tenant);
  });
});

/** Jobs that the log says were returned to pending, each once. */
async function returned(tenant: Tenant): Promise<string[]> {
  const isReturn = (event: StoredEvent) =>
    event.type === 'JobStatusChange' && event.data.old_status === 'deadletter';
  return (await tenant.events())
    .filter(isReturn)
    .map(({ data }) => ('job_id' in data ? data.job_id : ''))
    .sort();
}

describe('a job that others depend on', () => {
  const dependsOnAny = (tenant: Tenant, child: string, parents: string[]) =>
    tenant.call('POST', `/jobs/${child}/dependencies`, {
      depends_on: parents,
      dependency_mode: 'any',
    });

  it('counts again for those that wait for any of several, once it is retried', async () => {
    const tenant = world.key();
    const [first, second] = [
      await tenant.enqueue({ max_retries: 0, queue_name: 'first' }),
      await tenant.enqueue({ max_retries: 0, queue_name: 'second' }),
    ];
    const child = await tenant.enqueue();
    expect((await dependsOnAny(tenant, child, [first, second])).status).toBe(200);
    await tenant.claim({ queue_name: 'first' });
    await tenant.fail(first);
    expect((await retry(tenant, { job_ids: [first] })).body.retried_count).toBe(1);
    await tenant.claim({ queue_name: 'second' });
    await tenant.fail(second);
    expect(await tenant.statusOf(child)).toBe('pending');
    await tenant.claim({ queue_name: 'first' });
    await tenant.complete(first);
    expect(ids(await tenant.claim())).toEqual([child]);
  });

  it('leaves no trace in them when it is purged', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue({ max_retries: 0 });
    const child = await tenant.enqueue({ parent_job_id: parent });
    await tenant.claim();
    await tenant.fail(parent);
    expect((await purge(tenant, { confirm: true })).body.purged_count).toBe(1);
    expect(await leftovers(tenant, [parent])).toEqual([]);
    expect(await tenant.statusOf(child)).toBe('cancelled');
    expect(await leftovers(tenant, [child])).toEqual(['job.id', 'job_finished.id']);
  });

  it('keeps those of its workflow from running without it, once that is retried', async () => {
    const tenant = world.key();
    const job = { queue_name: 'emails', payload: {}, max_retries: 0 };
    const { body } = await tenant.call<{ workflow_id: string }>('POST', '/workflows', {
      name: 'two steps',
      jobs: [
        { key: 'first', ...job },
        { key: 'second', ...job, depends_on: ['first'] },
        { key: 'alone', ...job, queue_name: 'reports' },
      ],
    });
    for (const queue_name of ['emails', 'reports']) {
      const [claimed] = await tenant.claim({ queue_name });
      await tenant.fail(claimed!.id);
    }
    await purge(tenant, { queue_name: 'emails', confirm: true });
    const path = `/workflows/${body.workflow_id}`;
    expect((await tenant.call('POST', `${path}/retry`)).status).toBe(200);
    expect(ids(await tenant.claim({ queue_name: 'reports' }))).toHaveLength(1);
    expect(await tenant.claim()).toEqual([]);
    const jobs = (await tenant.call<{ jobs: { key: string; status: string }[] }>('GET', path)).body
      .jobs;
    expect(jobs).toMatchObject([
      { key: 'second', status: 'cancelled' },
      { key: 'alone', status: 'processing' },
    ]);
  });
});

it('what many jobs have is found among the dead letters', async () => {
  const tenant = world.key();
  const { b, c, e } = await fiveLetters(tenant);
  // So many that they are not looked at one by one.
  await world.owner.query(
    `with made as (
       insert into jobs.job (organization_id, id, queue_name, payload, job_type, max_retries, timeout_seconds, created_at)
       select $1::uuid, gen_random_uuid(), 'other', '{}', 'bill', 3, 300, now() from generate_series(1, 1001)
       returning organization_id, id
     )
     insert into jobs.job_tag (organization_id, id, tag) select organization_id, id, 'bill' from made`,
    [tenant.organizationId],
  );
  expect(ids(await list(tenant, '?job_type=bill'))).toEqual([e, c, b]);
  const one = { tag: 'bill', job_type: 'bill', limit: 1 };
  expect((await retry(tenant, one)).body.retried_jobs).toEqual([b]);
  expect((await purge(tenant, { job_type: 'bill', limit: 1, confirm: true })).body).toEqual({
    purged_count: 1,
  });
  expect(ids(await list(tenant, '?tag=bill'))).toEqual([e]);
  expect((await purge(tenant, { tag: 'bill', confirm: true })).body).toEqual({ purged_count: 1 });
  expect(await list(tenant)).toHaveLength(2);
});

describe('POST /jobs/dlq/purge', () => {
  type Selection = (at: Record<Name, string>) => Record<string, unknown>;
  const selections: [body: string, select: Selection, purged: string][] = [
    ['nothing', () => ({}), 'a b c d e'],
    ['nulls', () => ({ queue_name: null, older_than: null }), 'a b c d e'],
    ['limit 2', () => ({ limit: 2 }), 'a b'],
    ['limit 10000', () => ({ limit: 10_000 }), 'a b c d e'],
    ['a queue', () => ({ queue_name: 'reports' }), 'd e'],
    ['a queue and a limit', () => ({ queue_name: 'emails', limit: 2 }), 'a b'],
    ['a queue that is unknown', () => ({ queue_name: 'nowhere' }), ''],
    ['a tag', () => ({ tag: 'bill' }), 'b c e'],
    [
      'a type, a queue and a limit',
      () => ({ job_type: 'bill', queue_name: 'emails', limit: 1 }),
      'b',
    ],
    [
      'a type, a tag and an instant',
      ({ e }) => ({ job_type: 'bill', tag: 'bill', older_than: e }),
      'b c',
    ],
    ['an instant', ({ c }) => ({ older_than: c }), 'a b'],
    ['an instant of another zone', ({ c }) => ({ older_than: c.replace('Z', '+00:00') }), 'a b'],
    ['an instant and a queue', ({ e }) => ({ older_than: e, queue_name: 'reports' }), 'd'],
    ['an instant and a limit', ({ e }) => ({ older_than: e, limit: 1 }), 'a'],
    ['the future', () => ({ older_than: '2090-01-01T00:00:00Z' }), 'a b c d e'],
    ['the past', () => ({ older_than: '2000-01-01T00:00:00Z' }), ''],
  ];
  it.each(selections)('of %s deletes the right ones', async (_, select, expected) => {
    const tenant = world.key();
    const letters = await fiveLetters(tenant);
    const entries = Object.entries(letters) as [Name, string][];
    for (const [index, [, id]] of entries.entries()) {
      await world.owner.query(
        `update jobs.job_finished set completed_at = '2026-01-01T00:00:00Z'::timestamptz + $2 * interval '1 day'
         where id = $1`,
        [id, index],
      );
    }
    const at = Object.fromEntries(
      await Promise.all(
        entries.map(async ([name, id]) => [name, (await tenant.job(id)).completed_at!]),
      ),
    ) as Record<Name, string>;
    const names = expected === '' ? [] : (expected.split(' ') as Name[]);
    const answer = await purge(tenant, { ...select(at), confirm: true });
    expect(answer).toMatchObject({ status: 200, body: { purged_count: names.length } });
    const chosen = names.map((name) => letters[name]);
    const rest = Object.values(letters).filter((id) => !chosen.includes(id));
    expect(ids(await list(tenant)).sort()).toEqual(rest.sort());
    expect(await leftovers(tenant, chosen)).toEqual([]);
    await expectTrueCounts(tenant);
  });

  it('deletes everything that belongs to the job and frees its idempotency key', async () => {
    const tenant = world.key();
    const request = { max_retries: 0, idempotency_key: 'k', tags: ['a', 'b'] };
    const { id } = await tenant.leased(request);
    const holder = { worker_id: 'w-1' };
    await tenant.call('POST', `/jobs/${id}/progress`, { ...holder, percent: 50 });
    await tenant.call('POST', `/jobs/${id}/logs`, { ...holder, lines: ['one', 'two'] });
    await tenant.fail(id);
    const told = (await tenant.events()).length;
    expect(await leftovers(tenant, [id])).toEqual([
      'dead_letter.job_id',
      'idempotency_key.job_id',
      'job.id',
      'job_finished.id',
      'job_log.id',
      'job_log.id',
      'job_log_count.id',
      'job_progress.id',
      'job_tag.id',
      'job_tag.id',
    ]);
    await purge(tenant, { confirm: true });
    expect(await leftovers(tenant, [id])).toEqual([]);
    expect((await tenant.call('GET', `/jobs/${id}`)).status).toBe(404);
    expect(await tenant.events()).toHaveLength(told);
    const again = await tenant.call('POST', '/jobs', {
      queue_name: 'emails',
      payload: 1,
      ...request,
    });
    expect(again).toMatchObject({ status: 201, body: { created: true } });
    expect(again.body['id']).not.toBe(id);
  });

  it('keeps every job that is no dead letter', async () => {
    const tenant = world.key();
    const { id: completed } = await tenant.leased();
    await tenant.complete(completed);
    const pending = await tenant.enqueue();
    const foreign = world.key();
    await foreign.deadLetter();
    expect((await purge(tenant, { confirm: true })).body.purged_count).toBe(0);
    expect(await tenant.statusOf(pending)).toBe('pending');
    expect(await tenant.statusOf(completed)).toBe('completed');
    expect(await list(foreign)).toHaveLength(1);
  });

  it('tells the gateways that counts changed', async () => {
    const tenant = world.key();
    await fiveLetters(tenant);
    await purge(tenant, { queue_name: 'reports', confirm: true });
    await eventually(async () => (await changes.next()) === `${tenant.organizationId} reports`);
  });

  it('deletes more than one batch, up to the limit and no further', async () => {
    const tenant = world.key();
    const all = await manyLetters(tenant, 1200);
    const first = await purge(tenant, { limit: 1100, confirm: true });
    expect(first.body.purged_count).toBe(1100);
    expect(await leftovers(tenant, all)).toHaveLength(3 * 100);
    await expectTrueCounts(tenant);
    expect((await purge(tenant, { confirm: true })).body.purged_count).toBe(100);
    expect(await leftovers(tenant, all)).toEqual([]);
    expect(await tenant.stats()).toMatchObject({ total: 0 });
  });

  it('by several callers at once deletes each letter once', async () => {
    const tenant = world.key();
    await manyLetters(tenant, 200);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => purge(tenant, { confirm: true })),
    );
    const purged = answers.reduce((sum, { body }) => sum + body.purged_count, 0);
    expect(purged).toBe(200);
    expect(await tenant.stats()).toMatchObject({ deadletter: 0, total: 0 });
  });

  const scoped = { queues: ['reports'] };
  const refusals: [what: string, key: { queues?: string[] }, body: unknown, refusal: string][] = [
    ['no confirmation', {}, {}, '400 VALIDATION_ERROR'],
    ['a body that is missing', {}, undefined, '400 VALIDATION_ERROR'],
    ['confirm false', {}, { confirm: false }, '400 VALIDATION_ERROR'],
    ['confirm "true"', {}, { confirm: 'true' }, '400 VALIDATION_ERROR'],
    ['confirm 1', {}, { confirm: 1 }, '400 VALIDATION_ERROR'],
    ['confirm null', {}, { confirm: null }, '400 VALIDATION_ERROR'],
    ['a limit of 0', {}, { limit: 0, confirm: true }, '400 VALIDATION_ERROR'],
    ['a limit of 10001', {}, { limit: 10_001, confirm: true }, '400 VALIDATION_ERROR'],
    ['no instant', {}, { older_than: 'yesterday', confirm: true }, '400 VALIDATION_ERROR'],
    ['a number as instant', {}, { older_than: 1, confirm: true }, '400 VALIDATION_ERROR'],
    ['an impossible queue', {}, { queue_name: 'a b', confirm: true }, '400 VALIDATION_ERROR'],
    ['no JSON', {}, '{', '400 INVALID_JSON'],
    ['no queue, of a scoped key', scoped, { confirm: true }, '403 ACCESS_DENIED'],
    [
      'a foreign queue, of a scoped key',
      scoped,
      { queue_name: 'emails', confirm: true },
      '403 ACCESS_DENIED',
    ],
    ['no confirmation, of a scoped key', scoped, { queue_name: 'reports' }, '400 VALIDATION_ERROR'],
  ];
  it.each(refusals)('refuses %s', async (_, key, body, refusal) => {
    const tenant = world.key();
    await fiveLetters(tenant);
    const answer = await sameKey(tenant, key).call('POST', '/jobs/dlq/purge', body);
    expect(`${answer.status} ${String(answer.body['code'])}`).toBe(refusal);
    expect(await list(tenant)).toHaveLength(5);
  });

  it('serves a scoped key that names one of its queues', async () => {
    const tenant = world.key();
    const { a, b, c } = await fiveLetters(tenant);
    const answer = await purge(sameKey(tenant, scoped), { queue_name: 'reports', confirm: true });
    expect(answer.body).toEqual({ purged_count: 2 });
    expect(ids(await list(tenant))).toEqual([c, b, a]);
  });
});

describe('the audit row of a dead letter', () => {
  const audit = async (id: string) =>
    (
      await world.owner.query<{ reason: string; error: string; payload: unknown }>(
        'select reason, error, payload from jobs.dead_letter where job_id = $1',
        [id],
      )
    ).rows;

  const ways: [
    how: string,
    giveUp: (tenant: Tenant, id: string) => Promise<unknown>,
    expected: object,
  ][] = [
    [
      'that failed',
      (tenant, id) => tenant.fail(id, { error: 'no route' }),
      { reason: 'retries spent', error: 'no route' },
    ],
    [
      'whose lease ran out',
      async (tenant, id) => {
        await tenant.expireLease(id);
        await eventually(async () => (await tenant.statusOf(id)) === 'deadletter');
      },
      { reason: 'lease expired', error: 'Lease expired (worker timeout)' },
    ],
  ];
  const ends: [how: string, end: (tenant: Tenant, id: string) => Promise<unknown>][] = [
    ['the job is retried', (tenant, id) => tenant.call('POST', `/jobs/${id}/retry`)],
    ['it is retried', (tenant, id) => retry(tenant, { job_ids: [id] })],
    ['all are retried', (tenant) => retry(tenant)],
    ['it is purged', (tenant) => purge(tenant, { confirm: true })],
  ];
  beforeAll(async () => {
    await world.context.close();
    await world.boot({ LEASE_REAP_INTERVAL_MS: '50' });
  });
  it.each(
    ways.flatMap(([how, giveUp, expected]) =>
      ends.map(([until, end]) => ({ how, giveUp, expected, until, end })),
    ),
  )('$how says why, with the original payload, until $until', async ({ giveUp, expected, end }) => {
    const tenant = world.key();
    const payload = { to: 'a@example.com', n: [1] };
    const { id } = await tenant.leased({ max_retries: 0, payload });
    await giveUp(tenant, id);
    expect(await audit(id)).toEqual([{ ...expected, payload }]);
    expect(await list(tenant)).toMatchObject([
      { id, payload, reason: (expected as { reason: string }).reason },
    ]);
    await end(tenant, id);
    expect(await audit(id)).toEqual([]);
  });
});
