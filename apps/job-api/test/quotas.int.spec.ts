import type { INestApplicationContext } from '@nestjs/common';
import { jobsRpc, plans, type EnqueueCommand, type PlanLimits } from '@spooled/contracts';
import { HttpServer } from '@spooled/http';
import { awayFromMidnight } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { storedJobs } from './model-invariants.js';
import { World, type Tenant } from './setup.js';

let world: World;
let instances: INestApplicationContext[];
beforeAll(async () => {
  world = await World.setup();
  const first = world.context;
  await world.boot();
  instances = [first, world.context];
});
beforeEach(awayFromMidnight);
afterAll(async () => {
  await instances[0]!.close();
  await world.stop();
});

type Body = Record<string, unknown>;

/** A key whose plan other services hear of as well. */
function tenantOf(plan: Partial<PlanLimits>): Tenant {
  const tenant = world.key({ plan });
  world.plans.set(tenant.organizationId, { ...plans.enterprise, ...plan });
  return tenant;
}

/** A call at one of the two instances, taken in turn. */
let turn = 0;
async function spread(tenant: Tenant, method: string, path: string, body?: Body) {
  const { port } = instances[(turn += 1) % instances.length]!.get(HttpServer);
  const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
    method,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${tenant.credential}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return response.status;
}

const post = (tenant: Tenant, over: Body = {}) =>
  tenant.call('POST', '/jobs', { queue_name: 'emails', payload: {}, ...over });
const bulk = (tenant: Tenant, jobs: readonly Body[], over: Body = {}) =>
  tenant.call<Body & { succeeded: { created: boolean }[]; failed: Body[] }>('POST', '/jobs/bulk', {
    queue_name: 'emails',
    jobs,
    ...over,
  });
const items = (count: number, over: Body = {}) =>
  Array.from({ length: count }, () => ({ payload: {}, ...over }));
const usage = ({ organizationId }: Tenant) =>
  world.others.request(jobsRpc.usage, { organizationId });

/** As if so many jobs had been inserted at an instant, given in SQL. */
async function insertedAt(tenant: Tenant, count: number, at: string): Promise<void> {
  await world.owner.query(
    `insert into jobs.counter_delta (organization_id, queue_name, created, at) values ($1, 'emails', $2, ${at})`,
    [tenant.organizationId, count],
  );
}
const TODAY = `date_trunc('day', now() at time zone 'utc') at time zone 'utc'`;

/** As if so many jobs were there and could still run. */
async function active(tenant: Tenant, count: number): Promise<void> {
  await world.owner.query(
    `insert into jobs.queue_counter (organization_id, queue_name, pending) values ($1, 'emails', $2)`,
    [tenant.organizationId, count],
  );
}

/** As if there were so many queues. */
async function queues(tenant: Tenant, count: number): Promise<void> {
  await world.owner.query(
    `insert into jobs.queue (organization_id, queue_name)
     select $1, 'q' || n from generate_series(1, $2::int) n`,
    [tenant.organizationId, count],
  );
}

/** As if there were so many workflows. */
async function workflows(tenant: Tenant, count: number): Promise<void> {
  await world.owner.query(
    `insert into jobs.workflow (organization_id, id, name, status, queue_names, total_jobs, created_at)
     select $1, gen_random_uuid(), 'w', 'pending', '{}', 1, now() from generate_series(1, $2::int) n`,
    [tenant.organizationId, count],
  );
}

describe('a limit that is reached', () => {
  type Fill = (tenant: Tenant, count: number) => Promise<void>;
  const resources: [resource: string, limit: keyof PlanLimits, fill: Fill][] = [
    ['jobs_per_day', 'max_jobs_per_day', (tenant, count) => insertedAt(tenant, count, TODAY)],
    ['active_jobs', 'max_active_jobs', active],
    ['queues', 'max_queues', queues],
    ['workflows', 'max_workflows', workflows],
  ];
  const tiers: [tier: string, plan: PlanLimits][] = [
    ['free', plans.free],
    ['starter', plans.starter],
    ['pro', plans.pro],
    [
      'custom',
      {
        ...plans.starter,
        max_jobs_per_day: 7,
        max_active_jobs: 6,
        max_queues: 3,
        max_workflows: 2,
      },
    ],
  ];
  const rows = tiers.flatMap(([name, plan]) =>
    resources
      .filter(([, limit]) => plan[limit] !== 0)
      .map(([resource, limit, fill]) => ({
        name,
        resource,
        limit: plan[limit] as number,
        plan,
        fill,
      })),
  );
  it.each(rows)('$resource of $name: $limit', async ({ resource, limit, plan, fill }) => {
    const tenant = tenantOf({
      ...plan,
      rate_limit_burst: 1000,
      rate_limit_requests_per_second: 1000,
    });
    const job = { key: 'a', queue_name: 'fresh', payload: {} };
    const ask = () =>
      resource === 'workflows'
        ? tenant.call('POST', '/workflows', { name: 'w', jobs: [job] })
        : post(tenant, { queue_name: 'fresh' });
    await fill(tenant, limit - 1);
    // The limit itself may be reached; a job into a new queue is also the last queue, the last active one.
    expect([200, 201]).toContain((await ask()).status);
    const { status, body, headers } = await (resource === 'queues'
      ? post(tenant, { queue_name: 'another' })
      : ask());
    expect(status).toBe(429);
    expect(body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      error: 'limit_exceeded',
      message: expect.stringContaining(`${resource} limit reached (${limit}/${limit})`),
      resource,
      current: limit,
      limit,
      plan: plan.tier,
      upgrade_to: expect.any(String),
    });
    expect(headers.get('retry-after')).toBeNull();
    for (const name of ['limit', 'remaining', 'reset']) {
      expect(headers.get(`x-ratelimit-${name}`)).toMatch(/^\d+$/);
    }
  });

  it('never comes without a limit', async () => {
    const tenant = tenantOf(plans.enterprise);
    await insertedAt(tenant, 1_000_000_000, TODAY);
    await active(tenant, 1_000_000_000);
    await queues(tenant, 1000);
    expect((await post(tenant, { queue_name: 'new' })).status).toBe(201);
  });

  it('names no larger plan when there is none', async () => {
    const tenant = tenantOf({ ...plans.enterprise, max_active_jobs: 1 });
    await post(tenant);
    const { body } = await post(tenant);
    expect(body).toMatchObject({ plan: 'enterprise', current: 1, limit: 1 });
    expect(body).not.toHaveProperty('retry_after_secs');
  });

  it('too large a payload is told with both sizes', async () => {
    const tenant = tenantOf(plans.free);
    const payload = 'x'.repeat(65_535);
    const { status, body, headers } = await post(tenant, { payload });
    expect(status).toBe(413);
    expect(body).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      error: 'payload_too_large',
      current: 65_537,
      limit: 65_536,
      plan: 'free',
      upgrade_to: true,
    });
    expect(headers.get('retry-after')).toBeNull();
    expect((await post(tenant, { payload: payload.slice(1) })).status).toBe(201);
  });
});

describe('the order of the checks', () => {
  const tight = {
    max_jobs_per_day: 1,
    max_active_jobs: 1,
    max_queues: 1,
    max_payload_size_bytes: 100,
  };
  const steps: [what: string, limits: Partial<PlanLimits>, over: Body, answer: string][] = [
    ['the scope', tight, { queue_name: 'secret', payload: 'x'.repeat(200) }, '403 ACCESS_DENIED'],
    [
      'the payload',
      tight,
      { queue_name: 'new', payload: 'x'.repeat(200), idempotency_key: 'k' },
      '413 PAYLOAD_TOO_LARGE',
    ],
    ['the key', tight, { queue_name: 'new', idempotency_key: 'k' }, '200 undefined'],
    ['the day', tight, { queue_name: 'new' }, '429 jobs_per_day'],
    ['active jobs', { ...tight, max_jobs_per_day: null }, { queue_name: 'new' }, '429 active_jobs'],
    ['queues', { max_queues: 1 }, { queue_name: 'new' }, '429 queues'],
    ['nothing more', { max_queues: 1 }, {}, '201 undefined'],
  ];
  it.each(steps)('comes to %s', async (_, limits, over, answer) => {
    const tenant = tenantOf({});
    const { organizationId } = tenant;
    await post(tenant, { idempotency_key: 'k' });
    const limited = world.key({ organizationId, plan: limits, queues: ['emails', 'new'] });
    const { status, body } = await post(limited, over);
    expect(`${status} ${String(status === 429 ? body['resource'] : body['code'])}`).toBe(answer);
  });

  it('answers a known key of a child when quotas are full and its parent is gone', async () => {
    const tenant = tenantOf({ max_active_jobs: 2 });
    const parent = await tenant.enqueue();
    const child = { parent_job_id: parent, idempotency_key: 'c' };
    const id = await tenant.enqueue(child);
    await tenant.cancel(parent);
    await tenant.enqueue();
    await tenant.enqueue();
    expect(await post(tenant, child)).toMatchObject({ status: 200, body: { id, created: false } });
    expect((await post(tenant)).status).toBe(429);
  });

  it('judges a parent before the quotas', async () => {
    const tenant = tenantOf({ max_active_jobs: 1 });
    const parent = await tenant.enqueue();
    expect((await post(tenant, { parent_job_id: randomUUID() })).status).toBe(400);
    expect((await post(tenant, { parent_job_id: parent })).status).toBe(429);
  });
});

describe('bulk', () => {
  it('is all or nothing', async () => {
    const tenant = tenantOf({ max_active_jobs: 3 });
    const { status, body } = await bulk(tenant, items(4));
    expect([status, body['resource'], body['current']]).toEqual([429, 'active_jobs', 0]);
    expect(await storedJobs(tenant)).toEqual([]);
    expect((await bulk(tenant, items(3))).body).toMatchObject({ success_count: 3 });
  });

  it('charges neither known keys, nor a key twice, nor items that are invalid', async () => {
    const tenant = tenantOf({
      max_jobs_per_day: 3,
      max_active_jobs: 3,
      max_payload_size_bytes: 50,
    });
    await tenant.enqueue({ idempotency_key: 'known' });
    const { status, body } = await bulk(tenant, [
      { payload: {}, idempotency_key: 'known' },
      { payload: {}, idempotency_key: 'new' },
      { payload: {}, idempotency_key: 'new' },
      { payload: 'x'.repeat(60) },
      { payload: {}, priority: 1000 },
      { payload: {} },
    ]);
    expect(status).toBe(200);
    expect(body.succeeded.map(({ created }) => created)).toEqual([false, true, false, true]);
    expect(body.failed.map((each) => each['index'])).toEqual([3, 4]);
    expect(await usage(tenant)).toMatchObject({ jobsToday: 3, activeJobs: 3 });
    const again = [
      { payload: {}, idempotency_key: 'known' },
      { payload: {}, idempotency_key: 'new' },
    ];
    expect((await bulk(tenant, again)).body).toMatchObject({ success_count: 2 });
    expect((await bulk(tenant, [...again, { payload: {} }])).status).toBe(429);
  });

  it('charges one queue', async () => {
    const tenant = tenantOf({ max_queues: 1 });
    expect((await bulk(tenant, items(5))).status).toBe(200);
    expect((await bulk(tenant, items(1), { queue_name: 'second' })).status).toBe(429);
  });
});

describe('what is counted', () => {
  it('jobs of the day: those since 00:00 UTC, whatever became of them', async () => {
    const tenant = tenantOf({ max_jobs_per_day: 5 });
    await insertedAt(tenant, 1000, `${TODAY} - interval '1 microsecond'`);
    await world.owner.query(
      `insert into jobs.daily_count (organization_id, day, created)
       values ($1, (now() at time zone 'utc')::date - 1, 1000), ($1, (now() at time zone 'utc')::date, 1)`,
      [tenant.organizationId],
    );
    await insertedAt(tenant, 1, TODAY);
    expect(await usage(tenant)).toMatchObject({ jobsToday: 2 });
    const { id } = await tenant.leased();
    await tenant.complete(id);
    await tenant.cancel(await tenant.enqueue());
    expect((await post(tenant)).status).toBe(201);
    const { body } = await post(tenant);
    expect([body['resource'], body['current']]).toEqual(['jobs_per_day', 5]);
  });

  it('active jobs: pending, scheduled, waiting and processing ones; room comes back as they end', async () => {
    const tenant = tenantOf({ max_active_jobs: 4 });
    const { id: running } = await tenant.leased();
    const scheduled = await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
    const parent = await tenant.enqueue();
    const waiting = await tenant.enqueue({ parent_job_id: parent });
    expect((await post(tenant)).status).toBe(429);
    await tenant.complete(running);
    expect((await post(tenant)).status).toBe(201);
    expect((await post(tenant)).status).toBe(429);
    await tenant.cancel(scheduled);
    expect((await post(tenant)).status).toBe(201);
    // Its child goes with it.
    await tenant.cancel(parent);
    expect(await tenant.statusOf(waiting)).toBe('cancelled');
    expect((await bulk(tenant, items(3))).status).toBe(429);
    expect((await bulk(tenant, items(2))).status).toBe(200);
    expect(await usage(tenant)).toMatchObject({ activeJobs: 4, jobsToday: 8 });
  });

  it('queues: configured ones, those with jobs, and those that schedules feed', async () => {
    const tenant = tenantOf({ max_queues: 3 });
    const { organizationId } = tenant;
    await tenant.call('PUT', '/queues/configured/config', {});
    await world.others.request(jobsRpc.setScheduledQueues, { organizationId, queueNames: ['fed'] });
    await tenant.enqueue({ queue_name: 'used' });
    expect(await usage(tenant)).toMatchObject({ queues: 3 });
    for (const queue_name of ['configured', 'fed', 'used']) {
      expect((await post(tenant, { queue_name })).status).toBe(201);
    }
    expect((await post(tenant, { queue_name: 'fourth' })).body).toMatchObject({
      resource: 'queues',
    });
    expect(await usage(tenant)).toMatchObject({ queues: 3 });
  });

  it('neither refused jobs nor repeated keys', async () => {
    const tenant = tenantOf({ max_jobs_per_day: 2, max_payload_size_bytes: 100 });
    await post(tenant, { payload: 'x'.repeat(200) });
    await post(tenant, { priority: 1000 });
    await tenant.enqueue({ idempotency_key: 'k' });
    for (let n = 0; n < 5; n += 1) await tenant.enqueue({ idempotency_key: 'k' });
    expect(await usage(tenant)).toEqual({ jobsToday: 1, activeJobs: 1, queues: 1, workflows: 0 });
  });

  it('a retry as one more active job, but not as one of the day', async () => {
    const tenant = tenantOf({ max_jobs_per_day: 2, max_active_jobs: 1 });
    const dead = await tenant.deadLetter();
    const other = await tenant.enqueue();
    const retry = () => tenant.call('POST', `/jobs/${dead}/retry`);
    expect(await retry()).toMatchObject({
      status: 429,
      body: { resource: 'active_jobs', current: 1 },
    });
    expect(await tenant.statusOf(dead)).toBe('deadletter');
    await tenant.cancel(other);
    expect((await retry()).status).toBe(200);
    expect(await usage(tenant)).toMatchObject({ jobsToday: 2, activeJobs: 1 });
  });

  it('against the plan as it is now: what is above a lowered limit can still end', async () => {
    const tenant = tenantOf({});
    for (let n = 0; n < 4; n += 1) await tenant.enqueue({ max_retries: 0 });
    const { organizationId } = tenant;
    const lowered = world.key({
      organizationId,
      plan: { max_jobs_per_day: 1, max_active_jobs: 1, max_queues: 1 },
    });
    const [first, second] = await lowered.claim({ limit: 2 });
    expect((await lowered.complete(first!.id)).status).toBe(200);
    expect((await lowered.fail(second!.id)).status).toBe(200);
    expect((await post(lowered)).status).toBe(429);
    const [third] = await lowered.claim();
    expect((await lowered.renew(third!.id)).status).toBe(200);
    const [left] = (await lowered.call<{ id: string }[]>('GET', '/jobs?status=pending')).body;
    expect((await lowered.cancel(left!.id)).status).toBe(204);
    expect((await lowered.call('PUT', '/queues/emails/config', { enabled: false })).status).toBe(
      200,
    );
  });
});

describe('jobs.enqueue on behalf of organizations', () => {
  const command = (tenant: Tenant, over: Partial<EnqueueCommand> = {}): EnqueueCommand => ({
    organizationId: tenant.organizationId,
    id: uuidv7(),
    queueName: 'emails',
    payload: { n: 1 },
    priority: 0,
    maxRetries: null,
    timeoutSeconds: null,
    tags: null,
    idempotencyKey: null,
    scheduleId: null,
    ...over,
  });
  const enqueue = async (...jobs: EnqueueCommand[]) =>
    (await world.others.request(jobsRpc.enqueue, { jobs })).outcomes;
  const short = (outcomes: Awaited<ReturnType<typeof enqueue>>) =>
    outcomes.map((each) => ('failure' in each ? each.failure.code : each.created));

  it('inserts them as they are given, and tells of the schedule', async () => {
    const tenant = tenantOf({});
    const job = command(tenant, {
      priority: 7,
      maxRetries: 1,
      timeoutSeconds: 9,
      tags: { a: 1 },
      idempotencyKey: 'k',
      scheduleId: randomUUID(),
    });
    expect(await enqueue(job)).toEqual([{ jobId: job.id, queueName: 'emails', created: true }]);
    expect(await tenant.job(job.id)).toMatchObject({
      payload: { n: 1 },
      priority: 7,
      max_retries: 1,
      timeout_seconds: 9,
      tags: { a: 1 },
      idempotency_key: 'k',
    });
    expect((await tenant.events())[0]!.data).toMatchObject({ schedule_id: job.scheduleId });
  });

  it('inserts nothing the second time, also when quotas are full, and both at once', async () => {
    const tenant = tenantOf({ max_active_jobs: 1 });
    const job = command(tenant);
    const both = await Promise.all([enqueue(job), enqueue(job), enqueue(job, job)]);
    expect(both.flatMap(short).toSorted()).toEqual([false, false, false, true]);
    expect(short(await enqueue(job))).toEqual([false]);
    expect(await storedJobs(tenant)).toHaveLength(1);
    expect(await usage(tenant)).toMatchObject({ jobsToday: 1 });
  });

  it('fails each job by itself', async () => {
    const [full, small, good] = [
      tenantOf({ max_jobs_per_day: 1 }),
      tenantOf({ max_payload_size_bytes: 3 }),
      tenantOf({}),
    ];
    const outcomes = await enqueue(
      command(good),
      command(full),
      command(full),
      command(small),
      command(good, { idempotencyKey: 'k' }),
      command(good, { idempotencyKey: 'k' }),
    );
    expect(short(outcomes).toSorted()).toEqual(
      [true, true, 'QUOTA_EXCEEDED', 'PAYLOAD_TOO_LARGE', true, false].toSorted(),
    );
    expect(short(outcomes)[3]).toBe('PAYLOAD_TOO_LARGE');
    expect(
      outcomes.find((each) => 'failure' in each && each.failure.code === 'QUOTA_EXCEEDED'),
    ).toMatchObject({
      failure: { extra: { resource: 'jobs_per_day', limit: 1 } },
    });
  });

  it('fails for an organization that nobody knows', async () => {
    const tenant = tenantOf({});
    const unknown = tenantOf({});
    world.unknown.add(unknown.organizationId);
    const outcomes = await enqueue(command(unknown), command(tenant));
    expect(short(outcomes)).toEqual(['NOT_FOUND', true]);
    expect(await storedJobs(unknown)).toEqual([]);
  });

  it('tells what is used, and where jobs stand', async () => {
    const tenant = tenantOf({});
    expect(await usage(tenant)).toEqual({ jobsToday: 0, activeJobs: 0, queues: 0, workflows: 0 });
    const { id: running } = await tenant.leased();
    const dead = await tenant.deadLetter({ queue_name: 'other' });
    const foreign = await world.key().enqueue();
    await tenant.call('POST', '/workflows', {
      name: 'w',
      jobs: [{ key: 'a', queue_name: 'third', payload: {} }],
    });
    expect(await usage(tenant)).toEqual({ jobsToday: 3, activeJobs: 2, queues: 3, workflows: 1 });
    const { organizationId } = tenant;
    const jobIds = [running, dead, foreign, randomUUID()];
    const { jobs } = await world.others.request(jobsRpc.statuses, { organizationId, jobIds });
    expect(new Map(jobs.map(({ jobId, status }) => [jobId, status]))).toEqual(
      new Map([
        [running, 'processing'],
        [dead, 'deadletter'],
      ]),
    );
  });

  describe('many callers at two instances', () => {
    const onBehalf = async (tenant: Tenant) => {
      const [outcome] = await enqueue(command(tenant));
      return 'failure' in outcome! ? outcome.failure.code : 'created';
    };
    const single = (tenant: Tenant) =>
      spread(tenant, 'POST', '/jobs', { queue_name: 'emails', payload: {} });
    const repeat = <T>(count: number, run: (n: number) => Promise<T>) =>
      Array.from({ length: count }, (_, n) => run(n));

    const kinds: [kind: string, limit: number, run: (tenant: Tenant) => Promise<unknown>[]][] = [
      ['single jobs', 7, (tenant) => repeat(40, () => single(tenant))],
      [
        'bulks of two',
        8,
        (tenant) =>
          repeat(20, () =>
            spread(tenant, 'POST', '/jobs/bulk', { queue_name: 'emails', jobs: items(2) }),
          ),
      ],
      [
        'workflows of two',
        6,
        (tenant) =>
          repeat(15, () =>
            spread(tenant, 'POST', '/workflows', {
              name: 'w',
              jobs: [
                { key: 'a', queue_name: 'emails', payload: {} },
                { key: 'b', queue_name: 'emails', payload: {}, depends_on: ['a'] },
              ],
            }),
          ),
      ],
      ['jobs of other services', 7, (tenant) => repeat(30, () => onBehalf(tenant))],
      [
        'keys, each given twice',
        7,
        (tenant) =>
          repeat(40, (n) =>
            spread(tenant, 'POST', '/jobs', {
              queue_name: 'emails',
              payload: {},
              idempotency_key: `k${n >> 1}`,
            }),
          ),
      ],
    ];
    const limits: (keyof PlanLimits)[] = ['max_jobs_per_day', 'max_active_jobs'];
    const rows = kinds.flatMap(([kind, limit, run]) =>
      limits.map((name) => ({ kind, limit, run, name })),
    );
    it.each(rows)('$kind fill $name exactly', async ({ limit, run, name }) => {
      for (let round = 0; round < 3; round += 1) {
        const tenant = tenantOf({ [name]: limit });
        const answers = await Promise.all(run(tenant));
        const known = [200, 201, 429, 'created', 'QUOTA_EXCEEDED'];
        expect(answers.filter((answer) => !known.includes(answer as string))).toEqual([]);
        expect(await storedJobs(tenant)).toHaveLength(limit);
        expect(await usage(tenant)).toMatchObject({ jobsToday: limit, activeJobs: limit });
      }
    });

    it('new queues fill max_queues exactly', async () => {
      const tenant = tenantOf({ max_queues: 5 });
      await Promise.all(
        repeat(40, (n) =>
          spread(tenant, 'POST', '/jobs', { queue_name: `q${n >> 1}`, payload: {} }),
        ),
      );
      expect((await usage(tenant)).queues).toBe(5);
      expect(new Set((await storedJobs(tenant)).map(({ queue }) => queue)).size).toBe(5);
    });

    it('workflows fill max_workflows exactly', async () => {
      const tenant = tenantOf({ max_workflows: 4 });
      const jobs = [{ key: 'a', queue_name: 'emails', payload: {} }];
      const answers = await Promise.all(
        repeat(20, () => spread(tenant, 'POST', '/workflows', { name: 'w', jobs })),
      );
      expect(answers.filter((status) => status === 200)).toHaveLength(4);
      expect(await usage(tenant)).toMatchObject({ workflows: 4, jobsToday: 4 });
    });

    it('everything together never overshoots and leaves no room', async () => {
      for (let round = 0; round < 5; round += 1) {
        const before = tenantOf({});
        const { organizationId } = before;
        const dead: string[] = [];
        for (let n = 0; n < 6; n += 1) dead.push(await before.deadLetter());
        const parent = await before.enqueue();
        const limit = 20;
        const tenant = world.key({ organizationId, plan: { max_active_jobs: limit } });
        world.plans.set(organizationId, { ...plans.enterprise, max_active_jobs: limit });
        const answers = await Promise.all([
          ...repeat(10, () => single(tenant)),
          ...repeat(5, () =>
            spread(tenant, 'POST', '/jobs/bulk', { queue_name: 'emails', jobs: items(3) }),
          ),
          ...repeat(5, () =>
            spread(tenant, 'POST', '/jobs', {
              queue_name: 'emails',
              payload: {},
              parent_job_id: parent,
            }),
          ),
          ...repeat(4, () =>
            spread(tenant, 'POST', '/workflows', {
              name: 'w',
              jobs: [
                { key: 'a', queue_name: 'emails', payload: {} },
                { key: 'b', queue_name: 'emails', payload: {}, depends_on: ['a'] },
              ],
            }),
          ),
          ...repeat(6, () => onBehalf(tenant)),
          ...dead.slice(0, 3).map((id) => spread(tenant, 'POST', `/jobs/${id}/retry`)),
          spread(tenant, 'POST', '/jobs/dlq/retry', { job_ids: dead.slice(3) }),
        ]);
        const known = [200, 201, 429, 'created', 'QUOTA_EXCEEDED'];
        expect(answers.filter((answer) => !known.includes(answer as string))).toEqual([]);
        const live = (await storedJobs(tenant)).filter(({ status }) => status === 'pending');
        expect(live).toHaveLength(limit);
        expect((await usage(tenant)).activeJobs).toBe(limit);
      }
    });

    it('stays within the limit while workers make room', async () => {
      const limit = 6;
      const tenant = tenantOf({ max_active_jobs: limit });
      let isOver = false;
      const watch = async () => {
        let most = 0;
        while (!isOver) most = Math.max(most, (await usage(tenant)).activeJobs);
        return most;
      };
      const work = async () => {
        while (!isOver)
          for (const { id } of await tenant.claim({ limit: 2 })) await tenant.complete(id);
      };
      const watching = watch();
      const working = [work(), work()];
      const statuses: number[] = [];
      for (let burst = 0; burst < 8; burst += 1) {
        statuses.push(...(await Promise.all(repeat(15, () => single(tenant)))));
      }
      isOver = true;
      await Promise.all(working);
      expect(await watching).toBeLessThanOrEqual(limit);
      expect(new Set(statuses)).toEqual(new Set([201, 429]));
      expect((await usage(tenant)).jobsToday).toBe(
        statuses.filter((status) => status === 201).length,
      );
    });
  });
});
