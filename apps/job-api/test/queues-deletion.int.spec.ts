import { jobsRpc, queueChanged } from '@spooled/contracts';
import { awayFromMidnight, eventually, Signal } from '@spooled/testing';
import { fullCount, leftovers } from './leftovers.js';
import { World, type Tenant } from './setup.js';

let world: World;
const changes = new Signal<string>();
beforeAll(async () => {
  world = await World.setup();
  world.others.onHint(queueChanged, ({ queueName }, organizationId) =>
    changes.fire(`${organizationId} ${queueName}`),
  );
});
beforeEach(awayFromMidnight);
afterAll(() => world.stop());

const HOLD_BODY = 'select from jobs.job where organization_id = $1 and id = $2 for update';
const HOLD_QUEUE =
  'select from jobs.queue where organization_id = $1 and queue_name = $2 for update';
/** Connections of the room that wait for a lock. */
const WAITING = `select pid from pg_stat_activity
  where datname = current_database() and application_name = 'spooled_jobs' and wait_event_type = 'Lock'`;
const FAR = '2090-01-01T00:00:00Z';
const remove = (tenant: Tenant, name = 'emails') => tenant.call('DELETE', `/queues/${name}`);
const removeAll = (tenant: Tenant, name = 'emails') =>
  tenant.call('DELETE', `/queues/${name}?delete_jobs=true`);
const configure = (tenant: Tenant, body: unknown = {}, name = 'emails') =>
  tenant.call('PUT', `/queues/${name}/config`, body);
const exists = async (tenant: Tenant, name = 'emails') =>
  (await tenant.call('GET', `/queues/${name}`)).status === 200;
const schedule = ({ organizationId }: Tenant, ...queueNames: string[]) =>
  world.others.request(jobsRpc.setScheduledQueues, { organizationId, queueNames });

async function fill(tenant: Tenant, count: number, over: object = {}): Promise<string[]> {
  const made: string[] = [];
  while (made.length < count) {
    const jobs = Array.from({ length: Math.min(100, count - made.length) }, () => ({ payload: 1 }));
    const { body } = await tenant.call<{ succeeded: { job_id: string }[] }>('POST', '/jobs/bulk', {
      queue_name: 'emails',
      jobs,
      ...over,
    });
    made.push(...body.succeeded.map(({ job_id }) => job_id));
  }
  return made;
}

/** Every row that names the queue. Deltas are folded and counts of zero are no trace. */
async function traces({ organizationId }: Tenant, name = 'emails'): Promise<string[]> {
  const tables = ['job', 'job_ready', 'job_deferred', 'job_running', 'job_finished', 'dead_letter'];
  const counts = ['pending', 'scheduled', 'processing', 'completed', 'deadletter', 'cancelled'];
  const { rows } = await world.owner.query<{ place: string }>(
    [
      ...[...tables, 'queue', 'queue_pace', 'queue_activity'].map(
        (table) =>
          `select distinct '${table}' as place from jobs.${table} where organization_id = $1 and queue_name = $2`,
      ),
      `select 'counts' from (
         select ${counts.join(', ')} from jobs.queue_counter where organization_id = $1 and queue_name = $2
         union all
         select ${counts.join(', ')} from jobs.counter_delta where organization_id = $1 and queue_name = $2
       ) c having ${counts.map((name) => `sum(${name}) <> 0`).join(' or ')}`,
    ].join(' union all '),
    [organizationId, name],
  );
  return rows.map(({ place }) => place);
}

/** Waits until maintenance has folded what was counted. */
async function folded({ organizationId }: Tenant): Promise<void> {
  await eventually(async () => {
    const { rowCount } = await world.owner.query(
      'select from jobs.counter_delta where organization_id = $1',
      [organizationId],
    );
    return rowCount === 0;
  });
}

async function expectTrueCounts(tenant: Tenant): Promise<void> {
  expect(await tenant.stats()).toEqual(await fullCount(tenant));
  expect(await tenant.stats('emails')).toEqual(await fullCount(tenant, 'emails'));
}

describe('DELETE /queues/{name}', () => {
  type Given = readonly ((tenant: Tenant) => Promise<unknown>)[];
  const config = (tenant: Tenant) => configure(tenant, { rate_limit: 5, max_retries: 9 });
  const pending = (tenant: Tenant) => tenant.enqueue();
  const processing = (tenant: Tenant) => tenant.leased();
  const scheduled = (tenant: Tenant) => tenant.enqueue({ scheduled_at: FAR });
  const deadLetter = (tenant: Tenant) => tenant.deadLetter();
  const fed = (tenant: Tenant) => schedule(tenant, 'emails');
  const backingOff = async (tenant: Tenant) => tenant.fail((await tenant.leased()).id);
  const completed = async (tenant: Tenant) => tenant.complete((await tenant.leased()).id);
  const cancelled = async (tenant: Tenant) => tenant.cancel(await tenant.enqueue());

  // What is there | without | with delete_jobs | whether it is still there afterwards, without and with
  const rows: [what: string, given: Given, plain: string, all: string, after: string][] = [
    ['nothing', [], '404 NOT_FOUND', '404 NOT_FOUND', 'no, no'],
    ['a configuration', [config], '204', '204', 'no, no'],
    ['a pending job', [config, pending], '409 CONFLICT', '204', 'yes, no'],
    ['a job that backs off', [config, backingOff], '409 CONFLICT', '204', 'yes, no'],
    ['a processing job', [config, processing], '409 CONFLICT', '204', 'yes, no'],
    ['a scheduled job', [config, scheduled], '204', '204', 'yes, no'],
    ['a completed job', [config, completed], '204', '204', 'yes, no'],
    ['a cancelled job', [config, cancelled], '204', '204', 'yes, no'],
    ['a dead letter', [config, deadLetter], '204', '204', 'yes, no'],
    ['no configuration, a job', [pending], '409 CONFLICT', '204', 'yes, no'],
    ['no configuration, an ended job', [completed], '409 CONFLICT', '204', 'yes, no'],
    ['no configuration, a schedule', [fed], '409 CONFLICT', '409 CONFLICT', 'yes, yes'],
    ['a configuration, a schedule', [config, fed], '204', '204', 'yes, yes'],
    ['no configuration, a job, a schedule', [pending, fed], '409 CONFLICT', '204', 'yes, yes'],
  ];
  it.each(rows)('with %s', async (_, given, plain, all, after) => {
    const found: string[] = [];
    for (const [act, expected] of [
      [remove, plain],
      [removeAll, all],
    ] as const) {
      const tenant = world.key();
      for (const make of given) await make(tenant);
      const { status, body, text } = await act(tenant);
      expect(status === 204 ? text : `${status} ${String(body['code'])}`).toBe(
        expected === '204' ? '' : expected,
      );
      found.push((await exists(tenant)) ? 'yes' : 'no');
      if (expected !== '204') continue;
      const { body: rest } = await tenant.call('GET', '/queues/emails');
      if (await exists(tenant))
        expect(rest).toMatchObject({ id: 'implicit:emails', max_retries: 3 });
      const left = await traces(tenant);
      expect(left).not.toContain('queue');
      expect(left).not.toContain('queue_pace');
      if (act === removeAll) expect(left).toEqual([]);
      await expectTrueCounts(tenant);
    }
    expect(found.join(', ')).toBe(after);
  });

  it.each<[what: string, given: Given]>([
    ['jobs', [pending]],
    ['jobs and a configuration', [config, pending]],
  ])('says how to delete a queue with %s', async (_, given) => {
    const tenant = world.key();
    for (const make of given) await make(tenant);
    expect((await remove(tenant)).body['message']).toContain('delete_jobs');
  });

  it.each([
    ['?delete_jobs=false', 409],
    ['?delete_jobs=', 400],
    ['?delete_jobs=yes', 400],
    ['?delete_jobs=1', 400],
    ['?other=1', 409],
  ])('answers "%s" with %i', async (query, status) => {
    const tenant = world.key();
    await tenant.enqueue();
    expect((await tenant.call('DELETE', `/queues/emails${query}`)).status).toBe(status);
    expect(await exists(tenant)).toBe(true);
  });

  it('does not know queues of other organizations, nor a queue twice', async () => {
    const tenant = world.key();
    await configure(tenant);
    expect((await remove(world.key())).status).toBe(404);
    expect((await removeAll(world.key())).status).toBe(404);
    expect((await remove(tenant)).status).toBe(204);
    expect((await remove(tenant)).status).toBe(404);
    await tenant.enqueue();
    expect((await removeAll(tenant)).status).toBe(204);
    expect((await removeAll(tenant)).status).toBe(404);
  });

  it('by several callers at once, idle, succeeds for exactly one', async () => {
    const tenant = world.key();
    await configure(tenant);
    const answers = await Promise.all(Array.from({ length: 5 }, () => remove(tenant)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404, 404]);
  });

  it('tells the gateways', async () => {
    const tenant = world.key();
    for (const act of [remove, removeAll]) {
      await configure(tenant);
      await eventually(async () => (await changes.next()) === `${tenant.organizationId} emails`);
      await act(tenant);
      await eventually(async () => (await changes.next()) === `${tenant.organizationId} emails`);
    }
  });
});

describe('DELETE /queues/{name}?delete_jobs=true', () => {
  it('ends what has not ended, tells of it, and deletes every job with all that belongs to it', async () => {
    const tenant = world.key();
    await configure(tenant, { rate_limit: 1000, settings: { a: 1 } });
    const jobs = {
      scheduled: await tenant.enqueue({ scheduled_at: FAR, idempotency_key: 's' }),
      completed: (await tenant.leased({ idempotency_key: 'c' })).id,
      cancelled: await tenant.enqueue({ idempotency_key: 'x' }),
      deadletter: await tenant.deadLetter({ idempotency_key: 'd', priority: 9 }),
      backingOff: '',
      processing: '',
      pending: '',
    };
    await tenant.complete(jobs.completed, { result: { ok: true } });
    await tenant.cancel(jobs.cancelled);
    jobs.backingOff = (await tenant.leased()).id;
    await tenant.fail(jobs.backingOff);
    const lease = await tenant.leased({ idempotency_key: 'p' });
    jobs.processing = lease.id;
    const holder = { worker_id: 'w-1' };
    await tenant.call('POST', `/jobs/${lease.id}/progress`, { ...holder, percent: 50 });
    await tenant.call('POST', `/jobs/${lease.id}/logs`, { ...holder, lines: ['one', 'two'] });
    jobs.pending = await tenant.enqueue({ idempotency_key: 'n' });
    const elsewhere = await tenant.deadLetter({ queue_name: 'reports', idempotency_key: 'r' });

    expect((await removeAll(tenant)).status).toBe(204);

    expect(await leftovers(tenant, Object.values(jobs))).toEqual([]);
    expect(await exists(tenant)).toBe(false);
    const stories = {
      scheduled: 'scheduled→cancelled 2',
      completed: 'JobCompleted 3',
      cancelled: 'pending→cancelled 2',
      deadletter: 'JobFailed 3',
      backingOff: 'pending→cancelled 4',
      processing: 'processing→cancelled 3',
      pending: 'pending→cancelled 2',
    };
    for (const [name, last] of Object.entries(stories)) {
      const story = await tenant.story(jobs[name as keyof typeof jobs]);
      expect({ name, last: story.at(-1) }).toEqual({ name, last });
    }
    const told = (await tenant.events()).flatMap(({ type, data }) =>
      type === 'JobStatusChange' && data.reason === 'queue_deleted' ? [data.job_id] : [],
    );
    const { scheduled, backingOff, processing, pending } = jobs;
    expect(told.sort()).toEqual([scheduled, backingOff, processing, pending].sort());

    for (const act of [tenant.complete, tenant.fail, tenant.renew]) {
      expect(await act.call(tenant, lease.id, { lease_id: lease.lease_id })).toMatchObject({
        status: 404,
        body: { code: 'NOT_FOUND' },
      });
    }
    expect((await tenant.call('GET', `/jobs/${lease.id}`)).status).toBe(404);
    const again = await tenant.call('POST', '/jobs', {
      queue_name: 'other',
      payload: 1,
      idempotency_key: 'p',
    });
    expect(again.status).toBe(201);
    expect(await tenant.job(elsewhere)).toMatchObject({ status: 'deadletter' });
    await expectTrueCounts(tenant);
  });

  it('leaves nothing to count, before and after the fold, but what the day has seen', async () => {
    const tenant = world.key();
    const { organizationId } = tenant;
    const usage = () => world.others.request(jobsRpc.usage, { organizationId });
    const early = await tenant.leased();
    await tenant.complete(early.id);
    await folded(tenant);
    await tenant.deadLetter();
    await tenant.leased();
    await tenant.enqueue();
    await removeAll(tenant);
    for (const fold of [async () => undefined, folded]) {
      await fold(tenant);
      expect(await traces(tenant)).toEqual([]);
      expect((await tenant.call('GET', '/queues/emails/stats')).body).toEqual({
        queue_name: 'emails',
        pending_jobs: 0,
        processing_jobs: 0,
        completed_jobs_24h: 0,
        failed_jobs_24h: 0,
        avg_processing_time_ms: null,
        max_job_age_seconds: null,
        active_workers: 0,
      });
      expect(await tenant.stats()).toMatchObject({ total: 0 });
      // Deleting does not buy another day's worth of jobs.
      expect(await usage()).toEqual({ jobsToday: 4, activeJobs: 0, queues: 0, workflows: 0 });
    }
    await tenant.enqueue();
    await folded(tenant);
    expect(await tenant.stats()).toMatchObject({ pending: 1, total: 1 });
    expect(await traces(tenant)).toContain('queue_activity');
  });

  it('cancels what waited for its jobs, elsewhere too, unless something else may still free it', async () => {
    const tenant = world.key();
    const waitFor = (child: string, parents: string[], mode: string) =>
      tenant.call('POST', `/jobs/${child}/dependencies`, {
        depends_on: parents,
        dependency_mode: mode,
      });
    const [first, second, survivor] = [
      await tenant.enqueue(),
      (await tenant.leased({ priority: 1 })).id,
      await tenant.enqueue({ queue_name: 'kept' }),
    ];
    const done = await tenant.leased({ priority: 1 });
    await tenant.complete(done.id);
    const elsewhere = { queue_name: 'reports' };
    const [all, any, free, one] = [
      await tenant.enqueue(elsewhere),
      await tenant.enqueue(elsewhere),
      await tenant.enqueue(elsewhere),
      await tenant.enqueue(elsewhere),
    ];
    const grandchild = await tenant.enqueue(elsewhere);
    const inside = await tenant.enqueue({ parent_job_id: first });
    await waitFor(all, [first, survivor], 'all');
    await waitFor(any, [first, survivor], 'any');
    await waitFor(one, [first, second], 'any');
    await waitFor(free, [done.id, survivor], 'all');
    await waitFor(grandchild, [all], 'all');

    expect((await removeAll(tenant)).status).toBe(204);

    expect(await leftovers(tenant, [first, second, done.id, inside])).toEqual([]);
    const expected = { all: 'cancelled', grandchild: 'cancelled', one: 'cancelled' };
    for (const [name, id] of Object.entries({ all, grandchild, one })) {
      expect({ [name]: await tenant.statusOf(id) }).toMatchObject({
        [name]: expected[name as keyof typeof expected],
      });
    }
    expect(await tenant.claim({ ...elsewhere, limit: 10 })).toEqual([]);
    await tenant.claim({ queue_name: 'kept' });
    await tenant.complete(survivor);
    const freed = await tenant.claim({ ...elsewhere, limit: 10 });
    expect(freed.map(({ id }) => id).sort()).toEqual([any, free].sort());
    await expectTrueCounts(tenant);
  });

  describe('with jobs of a workflow', () => {
    const twoQueues = (tenant: Tenant) =>
      tenant.call<{ workflow_id: string; job_ids: { key: string; job_id: string }[] }>(
        'POST',
        '/workflows',
        {
          name: 'two queues',
          jobs: [
            { key: 'a', queue_name: 'emails', payload: {} },
            { key: 'b', queue_name: 'reports', payload: {} },
          ],
        },
      );
    const read = async (tenant: Tenant, id: string) =>
      (await tenant.call('GET', `/workflows/${id}`)).body;

    it('counts those as failed that had not ended', async () => {
      const tenant = world.key();
      const { workflow_id } = (await twoQueues(tenant)).body;
      await removeAll(tenant);
      expect(await read(tenant, workflow_id)).toMatchObject({
        status: 'pending',
        total_jobs: 2,
        failed_jobs: 1,
      });
      await removeAll(tenant, 'reports');
      expect(await read(tenant, workflow_id)).toMatchObject({ status: 'failed', failed_jobs: 2 });
    });

    it('still counts those that had completed', async () => {
      const tenant = world.key();
      const { workflow_id } = (await twoQueues(tenant)).body;
      const [first] = await tenant.claim();
      await tenant.complete(first!.id);
      await removeAll(tenant);
      expect(await read(tenant, workflow_id)).toMatchObject({
        status: 'running',
        completed_jobs: 1,
        failed_jobs: 0,
      });
      const [other] = await tenant.claim({ queue_name: 'reports' });
      await tenant.complete(other!.id);
      const done = { status: 'completed', completed_jobs: 2, failed_jobs: 0 };
      expect(await read(tenant, workflow_id)).toMatchObject(done);
      await removeAll(tenant, 'reports');
      expect(await read(tenant, workflow_id)).toMatchObject(done);
    });
  });

  it('deletes thousands of jobs, told of before the configuration is gone', async () => {
    const tenant = world.key();
    await configure(tenant);
    const jobs = [
      ...(await fill(tenant, 900)),
      ...(await fill(tenant, 300, { jobs: Array(100).fill({ payload: 1, scheduled_at: FAR }) })),
    ];
    const claimed = [
      ...(await tenant.claim({ limit: 100 })),
      ...(await tenant.claim({ limit: 100 })),
    ];
    await Promise.all(claimed.slice(0, 100).map(({ id }) => tenant.complete(id)));
    expect((await removeAll(tenant)).status).toBe(204);
    expect(await leftovers(tenant, jobs)).toEqual([]);
    expect(await cancelledByDeletion(tenant)).toHaveLength(1100);
    await expectTrueCounts(tenant);
  });

  // Where it waits when its connections are lost, and how many of 1200 jobs are left then.
  it.each<[when: string, hold: (jobs: string[]) => [sql: string, id: string], left: number]>([
    ['in the first batch', (jobs) => [HOLD_BODY, jobs[100]!], 1200],
    ['in the last batch', (jobs) => [HOLD_BODY, jobs[1100]!], 200],
    ['before the configuration is gone', () => [HOLD_QUEUE, 'emails'], 0],
  ])('is repeated after a crash %s, and does the rest', async (_, hold, left) => {
    const tenant = world.key();
    await configure(tenant);
    const jobs = await fill(tenant, 1200);
    const holder = await world.client();
    await holder.query('begin');
    const [sql, id] = hold(jobs);
    await holder.query(sql, [tenant.organizationId, id]);
    const interrupted = removeAll(tenant);
    await eventually(async () => (await world.owner.query(WAITING)).rowCount === 1);
    await world.owner.query(`select pg_terminate_backend(pid) from (${WAITING}) waiting`);
    expect((await interrupted).status).toBe(503);
    await holder.query('rollback');
    // A body and a state of each.
    expect(await leftovers(tenant, jobs)).toHaveLength(2 * left);
    expect(await cancelledByDeletion(tenant)).toHaveLength(1200 - left);
    await expectTrueCounts(tenant);
    expect(await exists(tenant)).toBe(true);
    expect((await removeAll(tenant)).status).toBe(204);
    expect(await exists(tenant)).toBe(false);
    expect(await leftovers(tenant, jobs)).toEqual([]);
    expect(await traces(tenant)).toEqual([]);
    expect((await cancelledByDeletion(tenant)).sort()).toEqual(jobs.sort());
    await expectTrueCounts(tenant);
  });

  it('by several callers at once deletes and tells of each job once', async () => {
    const tenant = world.key();
    await configure(tenant);
    const jobs = await fill(tenant, 1200);
    const answers = await Promise.all(Array.from({ length: 4 }, () => removeAll(tenant)));
    for (const { status } of answers) expect([204, 404]).toContain(status);
    expect(answers.map(({ status }) => status)).toContain(204);
    expect(await leftovers(tenant, jobs)).toEqual([]);
    expect((await cancelledByDeletion(tenant)).sort()).toEqual(jobs.sort());
    await expectTrueCounts(tenant);
  });

  it('does not wait for a job that somebody holds, and comes back for it', async () => {
    const tenant = world.key();
    const [held, ...others] = await fill(tenant, 3);
    const holder = await world.client();
    await holder.query('begin');
    await holder.query('select from jobs.job_ready where id = $1 for update', [held]);
    const removing = removeAll(tenant);
    await eventually(async () => (await leftovers(tenant, others)).length === 0);
    expect(await leftovers(tenant, [held!])).toHaveLength(2);
    await holder.query('commit');
    expect((await removing).status).toBe(204);
    expect(await leftovers(tenant, [held!])).toEqual([]);
  });

  it('while producers and workers go on breaks nothing', async () => {
    const tenant = world.key();
    await configure(tenant);
    await fill(tenant, 600);
    let isOver = false;
    const accepted: string[] = [];
    const statuses = new Set<number>();
    const producer = async (): Promise<void> => {
      while (!isOver) accepted.push(await tenant.enqueue());
    };
    const worker = async (worker_id: string): Promise<void> => {
      while (!isOver) {
        for (const { id } of await tenant.claim({ worker_id, limit: 5 })) {
          statuses.add((await tenant.complete(id, { worker_id })).status);
        }
      }
    };
    const crowd = [producer(), producer(), worker('w-1'), worker('w-2'), worker('w-3')];
    for (let round = 0; round < 5; round += 1) {
      await eventually(() => accepted.length > (round + 1) * 10, { intervalMs: 1 });
      // The workers may have left nothing just then.
      await eventually(async () => (await removeAll(tenant)).status === 204);
    }
    isOver = true;
    await Promise.all(crowd);
    for (const status of statuses) expect([200, 404]).toContain(status);
    await expectTrueCounts(tenant);
    await removeAll(tenant);
    expect(await leftovers(tenant, accepted)).toEqual([]);
    expect(await tenant.stats()).toMatchObject({ total: 0 });
    // Every job's own story is dense and ends once.
    for (const id of accepted.slice(0, 100)) {
      const revs = (await tenant.story(id)).map((event) => Number(event.split(' ')[1]));
      expect(new Set(revs)).toEqual(new Set(Array.from({ length: revs.at(-1)! }, (_, n) => n + 1)));
    }
  });
});

/** Jobs that the log says were cancelled because their queue was deleted. */
async function cancelledByDeletion(tenant: Tenant): Promise<string[]> {
  return (await tenant.events()).flatMap(({ type, data }) =>
    type === 'JobStatusChange' && data.reason === 'queue_deleted' ? [data.job_id] : [],
  );
}
