import {
  plans,
  type PlanLimits,
  type Workflow,
  type WorkflowDetail,
  type WorkflowJob,
} from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { LoopBells } from './model-loops.js';
import { brokenPromises, storedJobs } from './model-invariants.js';
import { World, type Tenant } from './setup.js';

const loops = LoopBells.watch();
let world: World;
beforeAll(async () => {
  world = await World.setup({ environment: { LEASE_REAP_INTERVAL_MS: '100' } });
});
afterAll(() => world.stop());

type Body = Record<string, unknown>;
interface Created {
  readonly workflow_id: string;
  readonly job_ids: readonly { readonly key: string; readonly job_id: string }[];
}
/** A workflow that was created, its jobs by key. */
type Made = { readonly id: string } & Readonly<Record<string, string>>;

/** Jobs written as `a`, `b<a`, `c<a|b` (any), `d<a,b` (all); all in the queue `emails`. */
function graph(...jobs: string[]): Body[] {
  return jobs.map((text) => {
    const [key, parents] = text.split('<');
    return {
      key,
      queue_name: 'emails',
      payload: { key },
      max_retries: 0,
      ...(parents === undefined ? {} : { depends_on: parents.split(/[,|]/) }),
      ...(parents?.includes('|') === true ? { dependency_mode: 'any' } : {}),
    };
  });
}

function post(tenant: Tenant, jobs: readonly Body[], over: Body = {}) {
  return tenant.call<Created & Body>('POST', '/workflows', { name: 'nightly', jobs, ...over });
}

async function make(tenant: Tenant, ...jobs: (string | Body)[]): Promise<Made> {
  const bodies = jobs.map((job) => (typeof job === 'string' ? graph(job)[0]! : job));
  const { status, body, text } = await post(tenant, bodies);
  if (status !== 200) throw new Error(`create: ${status} ${text}`);
  const keys = body.job_ids.map(({ key, job_id }) => [key, job_id] as const);
  return { id: body.workflow_id, ...Object.fromEntries(keys) };
}

async function read(tenant: Tenant, { id }: Made): Promise<WorkflowDetail> {
  return (await tenant.call<WorkflowDetail>('GET', `/workflows/${id}`)).body;
}

/** `pending 0/2` … and where its jobs stand, as `a:completed b:pending`. */
async function look(tenant: Tenant, made: Made): Promise<[workflow: string, jobs: string]> {
  const { status, completed_jobs, failed_jobs, total_jobs, jobs } = await read(tenant, made);
  return [
    `${status} ${completed_jobs}+${failed_jobs}/${total_jobs}`,
    jobs.map((job) => `${job.key}:${job.status}`).join(' '),
  ];
}

function act(tenant: Tenant, { id }: Made, verb: 'cancel' | 'retry') {
  return tenant.call<Workflow & Body>('POST', `/workflows/${id}/${verb}`);
}

/** Claims and completes jobs until nothing is claimable; answers their keys in the order in which they ran. */
async function runAll(tenant: Tenant, queueName = 'emails'): Promise<string[]> {
  const ran: string[] = [];
  for (;;) {
    const [job] = await tenant.claim({ queue_name: queueName });
    if (job === undefined) return ran;
    await tenant.complete(job.id);
    ran.push((job.payload as { key: string }).key);
  }
}

/** Claims the next job, which must be this one. */
async function begin(tenant: Tenant, id: string): Promise<void> {
  const [job] = await tenant.claim();
  expect(job?.id).toBe(id);
}

async function die(tenant: Tenant, id: string): Promise<void> {
  await begin(tenant, id);
  expect((await tenant.fail(id)).status).toBe(200);
}

describe('creating a workflow', () => {
  it('answers its id, the ids of its jobs by key in their order, and that it is pending', async () => {
    const tenant = world.key();
    const { status, body } = await post(tenant, graph('b<a', 'a', 'c'));
    expect(status).toBe(200);
    expect(body).toEqual({
      workflow_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      job_ids: ['b', 'a', 'c'].map((key) => ({ key, job_id: expect.any(String) })),
      status: 'pending',
    });
    expect(new Set(body.job_ids.map(({ job_id }) => job_id)).size).toBe(3);
  });

  it('starts jobs without dependencies at once; the others wait and are not claimable', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a', 'c<a|b');
    expect(await tenant.job(made.a!)).toMatchObject({
      status: 'pending',
      workflow_id: made.id,
      dependency_mode: null,
      dependencies_met: true,
      parent_job_id: null,
    });
    expect(await tenant.job(made.b!)).toMatchObject({
      status: 'pending',
      workflow_id: made.id,
      dependency_mode: 'all',
      dependencies_met: false,
    });
    expect(await tenant.job(made.c!)).toMatchObject({ dependency_mode: 'any' });
    const claimed = await tenant.claim({ limit: 10 });
    expect(claimed.map(({ id, workflow_id }) => [id, workflow_id])).toEqual([[made.a, made.id]]);
  });

  it('gives jobs the defaults of jobs, also those of the queue, and what they bring themselves', async () => {
    const tenant = world.key();
    await tenant.call('PUT', '/queues/tuned/config', { max_retries: 7, default_timeout: 70 });
    const own = {
      priority: 5,
      max_retries: 1,
      timeout_seconds: 9,
      scheduled_at: '2090-01-01T01:00:00+01:00',
      expires_at: '2091-01-01T00:00:00Z',
    };
    const made = await make(
      tenant,
      { key: 'plain', queue_name: 'emails', payload: {} },
      { key: 'tuned', queue_name: 'tuned', payload: 'text' },
      { key: 'own', queue_name: 'tuned', payload: {}, ...own },
    );
    const plain = { priority: 0, max_retries: 3, timeout_seconds: 300, scheduled_at: null };
    expect(await tenant.job(made.plain!)).toMatchObject({ ...plain, expires_at: null });
    expect(await tenant.job(made.tuned!)).toMatchObject({
      max_retries: 7,
      timeout_seconds: 70,
      payload: 'text',
    });
    expect(await tenant.job(made.own!)).toMatchObject({
      ...own,
      scheduled_at: '2090-01-01T00:00:00.000Z',
      expires_at: '2091-01-01T00:00:00.000Z',
      status: 'scheduled',
    });
  });

  it('tells of every job in the order of the request, with the workflow', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'b<a', 'a', 'c<b');
    const told = (await tenant.events()).map((event) => [
      event.type,
      'job_id' in event.data && event.data.job_id,
      'workflow_id' in event.data && event.data.workflow_id,
    ]);
    expect(told).toEqual([made.b, made.a, made.c].map((id) => ['JobCreated', id, made.id]));
  });

  const job = { key: 'a', queue_name: 'emails', payload: {} };
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ ...job, key: `k${n}` }));
  const tooLarge = { ...job, key: 'b', payload: 'x'.repeat(2000) };
  const small: Partial<PlanLimits> = { tier: 'starter', max_payload_size_bytes: 1000 };
  const refused: [what: string, answer: string, body: Body, plan?: Partial<PlanLimits>][] = [
    ['no name', '400 VALIDATION_ERROR', { name: undefined }],
    ['an empty name', '400 VALIDATION_ERROR', { name: '' }],
    ['a name of 256 characters', '400 VALIDATION_ERROR', { name: 'x'.repeat(256) }],
    ['a name with a slash', '400 VALIDATION_ERROR', { name: 'a/b' }],
    ['a description of 1001 characters', '400 VALIDATION_ERROR', { description: 'x'.repeat(1001) }],
    ['metadata that is no object', '400 VALIDATION_ERROR', { metadata: [1] }],
    ['metadata above 64 KiB', '400 VALIDATION_ERROR', { metadata: { a: 'x'.repeat(65_536) } }],
    ['no jobs', '400 VALIDATION_ERROR', { jobs: undefined }],
    ['an empty list of jobs', '400 VALIDATION_ERROR', { jobs: [] }],
    ['101 jobs', '400 VALIDATION_ERROR', { jobs: many(101) }],
    ['a job without a key', '400 VALIDATION_ERROR', { jobs: [{ ...job, key: undefined }] }],
    ['a key with a dot', '400 VALIDATION_ERROR', { jobs: [{ ...job, key: 'a.b' }] }],
    [
      'a key of 101 characters',
      '400 VALIDATION_ERROR',
      { jobs: [{ ...job, key: 'k'.repeat(101) }] },
    ],
    ['a bad queue name', '400 VALIDATION_ERROR', { jobs: [{ ...job, queue_name: '.a' }] }],
    ['a job without a payload', '400 VALIDATION_ERROR', { jobs: [{ ...job, payload: undefined }] }],
    ['a priority of 101', '400 VALIDATION_ERROR', { jobs: [{ ...job, priority: 101 }] }],
    ['101 retries', '400 VALIDATION_ERROR', { jobs: [{ ...job, max_retries: 101 }] }],
    ['no time-out', '400 VALIDATION_ERROR', { jobs: [{ ...job, timeout_seconds: 0 }] }],
    ['no instant', '400 VALIDATION_ERROR', { jobs: [{ ...job, scheduled_at: 'soon' }] }],
    ['an unknown mode', '400 VALIDATION_ERROR', { jobs: [{ ...job, dependency_mode: 'some' }] }],
    ['a duplicate key', '400 VALIDATION_ERROR', { jobs: graph('a', 'a') }],
    ['an unknown dependency', '400 VALIDATION_ERROR', { jobs: graph('a', 'b<x') }],
    ['a dependency on itself', '400 VALIDATION_ERROR', { jobs: graph('a<a') }],
    ['a cycle', '400 VALIDATION_ERROR', { jobs: graph('a', 'b<a,d', 'c<b', 'd<c') }],
    ['a plan without workflows', '403 FEATURE_DISABLED', {}, { tier: 'free', max_workflows: 0 }],
    ['a payload above the cap', '413 PAYLOAD_TOO_LARGE', { jobs: [job, tooLarge] }, small],
    [
      'a job too many of the day',
      '429 QUOTA_EXCEEDED',
      { jobs: graph('a', 'b<a') },
      { max_jobs_per_day: 1 },
    ],
    [
      'an active job too many',
      '429 QUOTA_EXCEEDED',
      { jobs: graph('a', 'b<a') },
      { max_active_jobs: 1 },
    ],
    [
      'a queue too many',
      '429 QUOTA_EXCEEDED',
      { jobs: [job, { ...job, key: 'b', queue_name: 'other' }] },
      { max_queues: 1 },
    ],
  ];
  it.each(refused)('refuses %s with %s and leaves nothing', async (_, answer, over, plan = {}) => {
    const tenant = world.key({ plan });
    const { status, body } = await post(tenant, graph('a'), over);
    expect(`${status} ${String(body['code'])}`).toBe(answer);
    expect((await tenant.call('GET', '/workflows')).body).toEqual([]);
    expect(await storedJobs(tenant)).toEqual([]);
    expect(await tenant.events()).toEqual([]);
  });

  it('takes what is just within the bounds', async () => {
    const tenant = world.key();
    const over = {
      name: `${'x'.repeat(239)} _.()-Az09 end!`.slice(0, 255).replace('!', ''),
      description: 'd'.repeat(1000),
      metadata: { a: 'x'.repeat(65_000) },
    };
    const jobs = many(100).map((each, n) => ({
      ...each,
      key: `${'k'.repeat(96)}_-${n}`.slice(0, 100),
      depends_on: null,
    }));
    const { status } = await post(tenant, jobs, over);
    expect(status).toBe(200);
    const [workflow] = (await tenant.call<Workflow[]>('GET', '/workflows')).body;
    expect(workflow).toMatchObject({ ...over, total_jobs: 100 });
  });

  it('is refused above the number of workflows of the plan, whatever their state', async () => {
    const tenant = world.key({ plan: { ...plans.starter, max_workflows: 2 } });
    await make(tenant, 'a');
    await make(tenant, 'b');
    await runAll(tenant);
    const { status, body } = await post(tenant, graph('c'));
    expect(status).toBe(429);
    expect(body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      error: 'limit_exceeded',
      resource: 'workflows',
      current: 2,
      limit: 2,
      plan: 'starter',
    });
  });

  it('says that the plan has no workflows before it judges the graph', async () => {
    const tenant = world.key({ plan: plans.free });
    const { status, body } = await post(tenant, graph('a<a'));
    expect(status).toBe(403);
    expect(body).toMatchObject({
      code: 'FEATURE_DISABLED',
      error: 'feature_disabled',
      feature: 'workflows',
      plan: 'free',
      upgrade_to: 'starter',
    });
  });
});

describe('reading workflows', () => {
  it('lists them newest first, by status, page by page', async () => {
    const tenant = world.key();
    const first = await make(tenant, 'a');
    await runAll(tenant);
    const second = await make(tenant, 'b');
    const third = await make(tenant, 'c<d', 'd');
    await begin(tenant, second.b!);
    const list = async (query = '') => {
      const { status, body } = await tenant.call<Workflow[]>('GET', `/workflows${query}`);
      return status === 200 ? body.map(({ id }) => id) : status;
    };
    expect(await list()).toEqual([third.id, second.id, first.id]);
    expect(await list('?status=completed')).toEqual([first.id]);
    expect(await list('?status=running')).toEqual([second.id]);
    expect(await list('?status=failed')).toEqual([]);
    expect(await list('?status=nonsense')).toHaveLength(3);
    expect(await list('?limit=1&offset=1')).toEqual([second.id]);
    expect(await list('?limit=0')).toHaveLength(1);
    expect(await list('?limit=1000&offset=-5')).toHaveLength(3);
    expect(await list('?limit=many')).toBe(400);
  });

  it('clamps the limit of a list to 100, and takes 50 unless told', async () => {
    const tenant = world.key();
    for (let n = 0; n < 101; n += 1) await make(tenant, 'a');
    const count = async (query: string) =>
      (await tenant.call<Workflow[]>('GET', `/workflows${query}`)).body.length;
    expect(await count('')).toBe(50);
    expect(await count('?limit=101')).toBe(100);
  });

  it('shows everything about one', async () => {
    const tenant = world.key();
    const about = { description: 'all of it', metadata: { team: 'x', big: 12 } };
    const { body } = await post(
      tenant,
      [
        {
          key: 'a',
          queue_name: 'emails',
          payload: { job_type: 'send', n: 1 },
          priority: 3,
          max_retries: 2,
        },
        { key: 'b', queue_name: 'other', payload: [1], depends_on: ['a'], timeout_seconds: 60 },
      ],
      about,
    );
    const [a, b] = body.job_ids.map(({ job_id }) => job_id);
    const base = {
      id: body.workflow_id,
      name: 'nightly',
      ...about,
      total_jobs: 2,
      failed_jobs: 0,
      created_at: expect.any(String),
    };
    const fresh = {
      status: 'pending',
      completed_jobs: 0,
      progress_percent: 0,
      started_at: null,
      completed_at: null,
    };
    expect((await tenant.call('GET', '/workflows')).body).toEqual([{ ...base, ...fresh }]);

    await begin(tenant, a!);
    await tenant.complete(a!, { result: { sent: true } });
    const job = {
      organization_id: tenant.organizationId,
      workflow_id: body.workflow_id,
      parent_job_id: null,
      backoff_type: 'exponential',
      attempt: 0,
      metadata: null,
      error: null,
      scheduled_at: null,
      created_at: expect.any(String),
    };
    expect((await tenant.call('GET', `/workflows/${body.workflow_id}`)).body).toEqual({
      ...base,
      status: 'running',
      completed_jobs: 1,
      progress_percent: 50,
      started_at: expect.any(String),
      completed_at: null,
      organization_id: tenant.organizationId,
      jobs: [
        {
          ...job,
          id: a,
          key: 'a',
          queue: 'emails',
          job_type: 'send',
          payload: { job_type: 'send', n: 1 },
          status: 'completed',
          priority: 3,
          max_retries: 2,
          timeout_ms: 300_000,
          started_at: expect.any(String),
          completed_at: expect.any(String),
          result: { sent: true },
        },
        {
          ...job,
          id: b,
          key: 'b',
          queue: 'other',
          job_type: 'job',
          payload: [1],
          status: 'pending',
          priority: 0,
          max_retries: 3,
          timeout_ms: 60_000,
          started_at: null,
          completed_at: null,
          result: null,
        },
      ],
      dependencies: [{ parent_job_id: a, child_job_id: b, dependency_type: 'success' }],
      progress: { total: 2, completed: 1, failed: 0, pending: 1, processing: 0 },
    });
  });

  it('shows its jobs, one of them, and where they stand', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a', 'c<b,a');
    await begin(tenant, made.a!);
    await tenant.call('POST', `/jobs/${made.a}/progress`, { worker_id: 'w-1', percent: 40 });
    const { body: jobs } = await tenant.call<WorkflowJob[]>('GET', `/workflows/${made.id}/jobs`);
    expect(jobs.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
    expect(jobs.map(({ depends_on }) => depends_on.toSorted())).toEqual([[], ['a'], ['a', 'b']]);
    expect(jobs[1]).toEqual({
      id: made.b,
      workflow_id: made.id,
      key: 'b',
      queue_name: 'emails',
      status: 'pending',
      payload: { key: 'b' },
      result: null,
      error: null,
      depends_on: ['a'],
      priority: 0,
      max_retries: 0,
      attempt: 0,
      timeout_seconds: 300,
      created_at: expect.any(String),
      started_at: null,
      completed_at: null,
    });
    const one = await tenant.call<WorkflowJob>('GET', `/workflows/${made.id}/jobs/${made.c}`);
    expect(one.body).toEqual(jobs[2]);
    const statuses = await tenant.call('GET', `/workflows/${made.id}/jobs/status`);
    expect(statuses.body).toEqual([
      { job_id: made.a, key: 'a', status: 'processing', progress: 40 },
      { job_id: made.b, key: 'b', status: 'pending', progress: null },
      { job_id: made.c, key: 'c', status: 'pending', progress: null },
    ]);
    await tenant.fail(made.a!, { error: 'no mail server' });
    const failed = await tenant.call<WorkflowJob>('GET', `/workflows/${made.id}/jobs/${made.a}`);
    expect(failed.body).toMatchObject({ status: 'deadletter', error: 'no mail server' });
    expect((await read(tenant, made)).jobs[0]!.error).toEqual({
      type: 'Error',
      message: 'no mail server',
    });
  });

  it('knows no job of another workflow, nor one without', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a');
    const other = await make(tenant, 'b');
    for (const id of [other.b!, await tenant.enqueue(), randomUUID(), 'no-uuid']) {
      const { status, body } = await tenant.call('GET', `/workflows/${made.id}/jobs/${id}`);
      expect([status, body['code']]).toEqual([404, 'NOT_FOUND']);
    }
  });
});

describe('who may see a workflow', () => {
  const routes: [method: string, path: string][] = [
    ['GET', ''],
    ['GET', '/jobs'],
    ['GET', '/jobs/status'],
    ['GET', '/jobs/:job'],
    ['POST', '/cancel'],
    ['POST', '/retry'],
  ];
  it.each(routes)('%s /workflows/{id}%s hides it from others', async (method, path) => {
    const tenant = world.key();
    const { organizationId } = tenant;
    const made = await make(tenant, 'a', { key: 'b', queue_name: 'secret', payload: {} });
    const ask = async (caller: Tenant, id: string) => {
      const { status, body } = await caller.call(
        method,
        `/workflows/${id}${path.replace(':job', made.a!)}`,
      );
      return status === 404 ? body['code'] : status;
    };
    expect(await ask(world.key(), made.id)).toBe('NOT_FOUND');
    expect(await ask(world.key({ organizationId, queues: ['emails'] }), made.id)).toBe('NOT_FOUND');
    expect(await ask(tenant, randomUUID())).toBe('NOT_FOUND');
    expect(await ask(tenant, 'no-uuid')).toBe('NOT_FOUND');
    const allowed = world.key({ organizationId, queues: ['secret', 'emails', 'third'] });
    expect(await ask(allowed, made.id)).toBe(path === '/retry' ? 400 : 200);
  });

  it('lists only those whose queues the key may use, all of them', async () => {
    const tenant = world.key();
    const { organizationId } = tenant;
    await make(tenant, 'a', { key: 'b', queue_name: 'secret', payload: {} });
    const visible = await make(tenant, 'a');
    const list = async (caller: Tenant) =>
      (await caller.call<Workflow[]>('GET', '/workflows')).body.map(({ id }) => id);
    expect(await list(world.key({ organizationId, queues: ['emails'] }))).toEqual([visible.id]);
    expect(await list(world.key({ organizationId, queues: ['other'] }))).toEqual([]);
    expect(await list(world.key())).toEqual([]);
    expect(await list(world.key({ organizationId, queues: [] }))).toHaveLength(2);
  });

  it('is refused for creating when one job is out of scope', async () => {
    const tenant = world.key({ queues: ['emails'] });
    const jobs = [...graph('a'), { key: 'b', queue_name: 'secret', payload: {} }];
    const { status, body } = await post(tenant, jobs);
    expect([status, body['code']]).toEqual([403, 'ACCESS_DENIED']);
    expect(await storedJobs(tenant)).toEqual([]);
  });
});

describe('running a workflow', () => {
  it('makes children claimable in the moment in which the last dependency completes', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b', 'c<a,b', 'd<c');
    await begin(tenant, made.a!);
    await tenant.complete(made.a!);
    await begin(tenant, made.b!);
    expect(await tenant.claim()).toEqual([]);
    await tenant.complete(made.b!);
    expect(await tenant.job(made.c!)).toMatchObject({ status: 'pending', dependencies_met: true });
    expect(await runAll(tenant)).toEqual(['c', 'd']);
    expect(await look(tenant, made)).toEqual([
      'completed 4+0/4',
      'a:completed b:completed c:completed d:completed',
    ]);
    expect(await tenant.story(made.c!)).toEqual([
      'JobCreated 1',
      'pending→processing 2',
      'processing→completed 3',
      'JobCompleted 3',
    ]);
  });

  it('frees a child of mode any with the first completion, once', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b', 'c<a|b');
    await begin(tenant, made.a!);
    await begin(tenant, made.b!);
    await tenant.complete(made.b!);
    await begin(tenant, made.c!);
    await tenant.complete(made.a!);
    expect(await tenant.claim()).toEqual([]);
    await tenant.complete(made.c!);
    expect((await look(tenant, made))[0]).toBe('completed 3+0/3');
  });

  it('wakes a claim that waits for the next step', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a');
    await begin(tenant, made.a!);
    const claiming = tenant.claim({ wait_secs: 20, worker_id: 'w-2' });
    await tenant.stats();
    await tenant.complete(made.a!);
    expect((await claiming)[0]!.id).toBe(made.b);
  });

  it('keeps the time of a child that is still to come', async () => {
    const tenant = world.key();
    const time = '2090-01-01T00:00:00.000Z';
    const made = await make(tenant, 'a', { ...graph('b<a')[0]!, scheduled_at: time });
    expect(await tenant.job(made.b!)).toMatchObject({ status: 'pending', scheduled_at: time });
    expect(await runAll(tenant)).toEqual(['a']);
    expect(await tenant.job(made.b!)).toMatchObject({
      status: 'pending',
      scheduled_at: time,
      dependencies_met: true,
    });
    expect((await look(tenant, made))[0]).toBe('running 1+0/2');
    await tenant.makeDue(made.b!);
    expect((await tenant.claim({ wait_secs: 20 }))[0]!.id).toBe(made.b);
    await tenant.complete(made.b!);
    expect((await look(tenant, made))[0]).toBe('completed 2+0/2');
  });

  it('is running from the first claim, and stays so while a job is tried again', async () => {
    const tenant = world.key();
    const made = await make(tenant, { ...graph('a')[0]!, max_retries: 1 }, 'b<a');
    expect(await read(tenant, made)).toMatchObject({ status: 'pending', started_at: null });
    await begin(tenant, made.a!);
    const { status, started_at } = await read(tenant, made);
    expect([status, typeof started_at]).toEqual(['running', 'string']);
    await tenant.fail(made.a!);
    expect(await look(tenant, made)).toEqual(['running 0+0/2', 'a:pending b:pending']);
    await tenant.makeDue(made.a!);
    expect((await tenant.claim({ wait_secs: 20 }))[0]!.id).toBe(made.a);
    await tenant.complete(made.a!);
    await runAll(tenant);
    const done = await read(tenant, made);
    expect(done).toMatchObject({ status: 'completed', started_at, progress_percent: 100 });
    expect(done.completed_at).not.toBeNull();
  });

  const ends: [how: string, job: Body, end: (tenant: Tenant, id: string) => Promise<unknown>][] = [
    ['is cancelled', {}, (tenant, id) => tenant.cancel(id)],
    ['spends its budget', {}, die],
    [
      'loses its last lease',
      {},
      async (tenant, id) => {
        await begin(tenant, id);
        await tenant.expireLease(id);
        await eventually(async () => (await tenant.statusOf(id)) === 'deadletter');
      },
    ],
    [
      'expires',
      { expires_at: '2020-01-01T00:00:00Z' },
      (tenant, id) =>
        loops.ringUntil('jobs.expiry', tenant, id, (job) => job.status === 'cancelled'),
    ],
  ];
  it.each(ends)('fails and cancels what hangs on a job that %s', async (_, over, end) => {
    const tenant = world.key();
    const made = await make(tenant, { ...graph('a')[0]!, ...over }, 'b<a', 'c<b', 'd<c|b', 'e<c,d');
    await end(tenant, made.a!);
    const [workflow, jobs] = await look(tenant, made);
    expect(workflow).toBe('failed 0+5/5');
    expect(jobs).toMatch(
      /^a:(cancelled|deadletter) b:cancelled c:cancelled d:cancelled e:cancelled$/,
    );
    expect(await tenant.job(made.e!)).toMatchObject({
      last_error: 'A dependency did not complete',
      completed_at: expect.any(String),
    });
    expect((await read(tenant, made)).completed_at).not.toBeNull();
    expect(await tenant.story(made.d!)).toEqual(['JobCreated 1', 'pending→cancelled 2']);
    expect(await brokenPromises(tenant)).toEqual([]);
  });

  it('cancels a child of mode any only when none of its dependencies can complete', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b', 'c', 'd<a|b|c', 'e<a|b');
    await die(tenant, made.a!);
    expect((await look(tenant, made))[1]).toContain('d:pending e:pending');
    await die(tenant, made.b!);
    expect((await look(tenant, made))[1]).toContain('d:pending e:cancelled');
    expect(await runAll(tenant)).toEqual(['c', 'd']);
    expect((await look(tenant, made))[0]).toBe('failed 2+3/5');
  });

  it('is failed only when nothing can run any more', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b', 'c<a');
    await die(tenant, made.a!);
    expect(await look(tenant, made)).toEqual([
      'running 0+2/3',
      'a:deadletter b:pending c:cancelled',
    ]);
    await runAll(tenant);
    expect((await look(tenant, made))[0]).toBe('failed 1+2/3');
  });
});

describe('cancelling a workflow', () => {
  it('cancels what has not begun; what runs may finish, and its result is stored', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a', 'c', {
      ...graph('d')[0]!,
      scheduled_at: '2090-01-01T00:00:00Z',
    });
    await begin(tenant, made.a!);
    const { status, body } = await act(tenant, made, 'cancel');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: made.id,
      status: 'cancelled',
      failed_jobs: 3,
      completed_at: expect.any(String),
    });
    expect((await look(tenant, made))[1]).toBe('a:processing b:cancelled c:cancelled d:cancelled');
    expect((await tenant.complete(made.a!, { result: 42 })).status).toBe(200);
    expect((await tenant.job(made.a!)).result).toBe(42);
    expect(await look(tenant, made)).toEqual([
      'cancelled 1+3/4',
      'a:completed b:cancelled c:cancelled d:cancelled',
    ]);
    expect((await read(tenant, made)).completed_at).toBe(body.completed_at);
    expect(await tenant.story(made.b!)).toEqual(['JobCreated 1', 'pending→cancelled 2']);
    expect(await tenant.story(made.d!)).toEqual(['JobCreated 1', 'scheduled→cancelled 2']);
    expect(await brokenPromises(tenant)).toEqual([]);
  });

  it('is answered alike when repeated, and changes nothing', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a');
    const first = await act(tenant, made, 'cancel');
    const told = await tenant.events();
    expect(await act(tenant, made, 'cancel')).toMatchObject({ status: 200, body: first.body });
    expect(await tenant.events()).toEqual(told);
  });

  it('cancels a workflow that was never begun', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a');
    await act(tenant, made, 'cancel');
    expect(await look(tenant, made)).toEqual(['cancelled 0+2/2', 'a:cancelled b:cancelled']);
    expect(await tenant.claim()).toEqual([]);
  });

  it('takes along jobs outside that wait for its jobs', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a');
    const outside = await tenant.enqueue();
    await tenant.call('POST', `/jobs/${outside}/dependencies`, { depends_on: [made.a] });
    await act(tenant, made, 'cancel');
    expect(await tenant.statusOf(outside)).toBe('cancelled');
  });

  it('is refused once it has ended', async () => {
    const tenant = world.key();
    const completed = await make(tenant, 'a');
    await runAll(tenant);
    const failed = await make(tenant, 'a');
    await die(tenant, failed.a!);
    for (const made of [completed, failed]) {
      const before = await read(tenant, made);
      const { status, body } = await act(tenant, made, 'cancel');
      expect([status, body['code']]).toEqual([409, 'CONFLICT']);
      expect(await read(tenant, made)).toEqual(before);
    }
  });

  it('ends in one piece while workers claim and complete', async () => {
    for (let round = 0; round < 15; round += 1) {
      const tenant = world.key();
      const jobs = Array.from(
        { length: 30 },
        (_, n) => graph(n % 3 === 0 ? `k${n}` : `k${n}<k${n - 1}`)[0]!,
      );
      const made = await make(tenant, ...jobs);
      const [cancelled] = await Promise.all([
        act(tenant, made, 'cancel'),
        ...[1, 2, 3].map(() => runAll(tenant)),
      ]);
      expect(cancelled.status).toBe(200);
      const detail = await read(tenant, made);
      const completed = detail.jobs.filter((job) => job.status === 'completed').length;
      expect(detail).toMatchObject({
        status: 'cancelled',
        completed_jobs: completed,
        failed_jobs: 30 - completed,
      });
      expect(detail.jobs.every(({ status }) => ['completed', 'cancelled'].includes(status))).toBe(
        true,
      );
      expect(await brokenPromises(tenant)).toEqual([]);
    }
  });
});

describe('retrying a workflow', () => {
  it('returns what did not complete to pending, waiting as before, and then finishes', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a', 'c<b', 'd<a|c');
    await begin(tenant, made.a!);
    await tenant.complete(made.a!);
    await die(tenant, made.b!);
    expect(await runAll(tenant)).toEqual(['d']);
    expect((await look(tenant, made))[0]).toBe('failed 2+2/4');
    const { status, body } = await act(tenant, made, 'retry');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: made.id,
      status: 'running',
      completed_jobs: 2,
      failed_jobs: 0,
      completed_at: null,
    });
    expect((await look(tenant, made))[1]).toBe('a:completed b:pending c:pending d:completed');
    expect(await tenant.job(made.b!)).toMatchObject({
      retry_count: 0,
      last_error: null,
      completed_at: null,
      dependencies_met: true,
    });
    expect(await tenant.job(made.c!)).toMatchObject({ dependencies_met: false, last_error: null });
    expect(await runAll(tenant)).toEqual(['b', 'c']);
    expect((await look(tenant, made))[0]).toBe('completed 4+0/4');
    expect((await tenant.stats()).deadletter).toBe(0);
  });

  it('is running at once, also when nothing had begun before', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a');
    await tenant.cancel(made.a!);
    expect((await look(tenant, made))[0]).toBe('failed 0+2/2');
    expect((await act(tenant, made, 'retry')).body).toMatchObject({
      status: 'running',
      failed_jobs: 0,
    });
    expect(await runAll(tenant)).toEqual(['a', 'b']);
    expect((await look(tenant, made))[0]).toBe('completed 2+0/2');
  });

  it('makes a child of mode any wait for those that may complete now', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b', 'c<a|b');
    await die(tenant, made.a!);
    await die(tenant, made.b!);
    await act(tenant, made, 'retry');
    expect(await tenant.job(made.c!)).toMatchObject({ status: 'pending', dependencies_met: false });
    await die(tenant, made.a!);
    expect(await tenant.statusOf(made.c!)).toBe('pending');
    expect(await runAll(tenant)).toEqual(['b', 'c']);
    expect((await look(tenant, made))[0]).toBe('failed 2+1/3');
  });

  const refused: [when: string, prepare: (tenant: Tenant, made: Made) => Promise<unknown>][] = [
    ['pending', async () => undefined],
    ['running', (tenant, made) => begin(tenant, made.a!)],
    ['completed', (tenant) => runAll(tenant)],
    ['cancelled', (tenant, made) => act(tenant, made, 'cancel')],
  ];
  it.each(refused)(
    'is refused while it is %s, and says that it must be failed',
    async (when, prepare) => {
      const tenant = world.key();
      const made = await make(tenant, 'a', 'b<a');
      await prepare(tenant, made);
      const before = await read(tenant, made);
      expect(before.status).toBe(when);
      const { status, body } = await act(tenant, made, 'retry');
      expect(status).toBe(400);
      expect(body['message']).toContain('failed');
      expect(await read(tenant, made)).toEqual(before);
    },
  );

  it('is charged to the active jobs, all or nothing', async () => {
    const plan = { max_active_jobs: 3 };
    const tenant = world.key({ plan });
    const made = await make(tenant, 'a', 'b<a');
    await die(tenant, made.a!);
    const others = [await tenant.enqueue(), await tenant.enqueue()];
    const before = await read(tenant, made);
    const { status, body } = await act(tenant, made, 'retry');
    expect(status).toBe(429);
    expect(body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      resource: 'active_jobs',
      current: 2,
      limit: 3,
    });
    expect(await read(tenant, made)).toEqual(before);
    await tenant.cancel(others[0]!);
    expect((await act(tenant, made, 'retry')).status).toBe(200);
  });

  it('happens once when asked for several times at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const tenant = world.key();
      const made = await make(tenant, 'a', 'b<a');
      await die(tenant, made.a!);
      const answers = await Promise.all([1, 2, 3, 4].map(() => act(tenant, made, 'retry')));
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400, 400, 400]);
      expect(await runAll(tenant)).toEqual(['a', 'b']);
      expect((await look(tenant, made))[0]).toBe('completed 2+0/2');
    }
  });

  it('does not wait for a job outside that can no longer complete', async () => {
    const tenant = world.key();
    const outside = await tenant.enqueue({ max_retries: 0 });
    const made = await make(tenant, 'a<z', 'b<a', 'c', 'z');
    await tenant.call('POST', `/jobs/${made.a}/dependencies`, { depends_on: [outside] });
    await die(tenant, outside);
    expect(await runAll(tenant)).toEqual(['c', 'z']);
    expect((await look(tenant, made))[0]).toBe('failed 2+2/4');
    expect((await act(tenant, made, 'retry')).status).toBe(200);
    expect(await look(tenant, made)).toEqual([
      'failed 2+2/4',
      'a:cancelled b:cancelled c:completed z:completed',
    ]);
  });

  it('follows when a single job of it is retried', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a', 'b<a');
    await die(tenant, made.a!);
    expect((await tenant.call('POST', `/jobs/${made.a}/retry`)).status).toBe(200);
    expect(await look(tenant, made)).toEqual(['running 0+1/2', 'a:pending b:cancelled']);
    expect((await read(tenant, made)).completed_at).toBeNull();
    await runAll(tenant);
    // What was cancelled comes back with the workflow only.
    expect(await look(tenant, made)).toEqual(['failed 1+1/2', 'a:completed b:cancelled']);
    await act(tenant, made, 'retry');
    expect(await runAll(tenant)).toEqual(['b']);
    expect((await look(tenant, made))[0]).toBe('completed 2+0/2');
  });

  it('follows when a dead letter of it is retried with others', async () => {
    const tenant = world.key();
    const made = await make(tenant, 'a');
    await die(tenant, made.a!);
    await tenant.call('POST', '/jobs/dlq/retry', { job_ids: [made.a] });
    expect((await look(tenant, made))[0]).toBe('running 0+0/1');
    await runAll(tenant);
    expect((await look(tenant, made))[0]).toBe('completed 1+0/1');
  });
});
