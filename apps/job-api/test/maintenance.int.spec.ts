import { plans } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { eventually } from '@spooled/testing';
import { pruneActivity } from '../src/maintenance/maintenance.sql.js';
import { RetentionPruner } from '../src/maintenance/retention-pruner.js';
import { LoopBells } from './model-loops.js';
import { World, type Tenant } from './setup.js';

const loops = LoopBells.watch();
let world: World;
beforeAll(async () => {
  world = await World.setup({ environment: { LEASE_REAP_INTERVAL_MS: '50' } });
});
afterAll(() => world.stop());

const rowsOf = async (table: string, organizationId: string): Promise<number> => {
  const { rows } = await world.owner.query<{ count: number }>(
    `select count(*)::int as count from jobs.${table} where organization_id = $1`,
    [organizationId],
  );
  return rows[0]!.count;
};

describe('the lease reaper', () => {
  it('returns a job whose lease ran out to pending at once, at the cost of a try', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await tenant.expireLease(id);
    await eventually(async () => (await tenant.statusOf(id)) === 'pending');
    expect(await tenant.job(id)).toMatchObject({
      retry_count: 1,
      last_error: 'Lease expired (worker timeout)',
      lease_id: null,
      lease_expires_at: null,
      started_at: expect.any(String),
    });
    expect((await tenant.events()).at(-1)).toMatchObject({
      type: 'JobStatusChange',
      data: {
        old_status: 'processing',
        new_status: 'pending',
        rev: 3,
        worker_id: 'w-1',
        reason: 'lease_expired',
      },
    });
    const [again] = await tenant.claim({ worker_id: 'w-2' });
    expect(again).toMatchObject({ id, retry_count: 1 });
  });

  it('gives a job up when the budget is spent', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased({ max_retries: 0 });
    await tenant.expireLease(id);
    await eventually(async () => (await tenant.statusOf(id)) === 'deadletter');
    expect(await tenant.job(id)).toMatchObject({
      retry_count: 0,
      last_error: 'Lease expired (worker timeout)',
      completed_at: expect.any(String),
    });
    expect((await tenant.story(id)).at(-1)).toBe('processing→deadletter 3');
    expect(await rowsOf('dead_letter', tenant.organizationId)).toBe(1);
    expect(await tenant.stats()).toMatchObject({ processing: 0, deadletter: 1, total: 1 });
  });

  it('wakes a claim that waits', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const claiming = tenant.claim({ wait_secs: 20, worker_id: 'w-2' });
    await tenant.expireLease(id);
    expect((await claiming).map((job) => job.id)).toEqual([id]);
  });

  it('leaves leases alone that were renewed in time', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    const other = await tenant.leased();
    await tenant.renew(id);
    await tenant.expireLease(other.id);
    await eventually(async () => (await tenant.statusOf(other.id)) === 'pending');
    expect(await tenant.statusOf(id)).toBe('processing');
  });

  it('takes back more leases than one batch holds', async () => {
    const tenant = world.key();
    for (let page = 0; page < 6; page += 1) {
      const jobs = Array.from({ length: 100 }, () => ({ payload: 1 }));
      await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
      await tenant.claim({ limit: 100 });
    }
    await world.owner.query(
      `update jobs.job_running set lease_expires_at = now() where organization_id = $1`,
      [tenant.organizationId],
    );
    await eventually(async () => (await tenant.stats()).pending === 600);
    expect(await tenant.events()).toHaveLength(1800);
  });
});

describe('the due stager', () => {
  /** A job that is due in a moment: a longer one if this machine took so long to say so that its time had come. */
  async function dueSoon(tenant: Tenant): Promise<{ id: string; at: Date }> {
    for (let aheadMs = 400; ; aheadMs *= 2) {
      const at = new Date(Date.now() + aheadMs);
      const id = await tenant.enqueue({ scheduled_at: at.toISOString() });
      const isScheduled = (await tenant.events()).some(
        ({ type, data }) =>
          type === 'JobCreated' && data.job_id === id && data.status === 'scheduled',
      );
      if (isScheduled) return { id, at };
      await tenant.cancel(id);
    }
  }

  it('makes a scheduled job pending when its time has come, and says so', async () => {
    const tenant = world.key();
    const { id, at } = await dueSoon(tenant);
    await eventually(async () => (await tenant.statusOf(id)) === 'pending');
    expect(Date.now()).toBeGreaterThanOrEqual(at.getTime() - 5);
    expect(await tenant.job(id)).toMatchObject({ scheduled_at: at.toISOString() });
    expect(await tenant.story(id)).toEqual(['JobCreated 1', 'scheduled→pending 2']);
    expect(await tenant.stats()).toMatchObject({ pending: 1, scheduled: 0 });
  });

  it('gets up earlier for a job that is due before the one it waits for', async () => {
    const tenant = world.key();
    await tenant.enqueue({ scheduled_at: new Date(Date.now() + 60_000).toISOString() });
    const { id } = await dueSoon(tenant);
    await eventually(async () => (await tenant.statusOf(id)) === 'pending');
  });

  it('stages more than one batch in the order of their times', async () => {
    const tenant = world.key();
    for (let page = 0; page < 7; page += 1) {
      const jobs = Array.from({ length: 100 }, () => ({
        payload: 1,
        scheduled_at: '2090-01-01T00:00:00Z',
      }));
      await tenant.call('POST', '/jobs/bulk', { queue_name: 'emails', jobs });
    }
    await world.owner.query(
      'update jobs.job_deferred set due_at = now() where organization_id = $1',
      [tenant.organizationId],
    );
    loops.ring('jobs.due-stager');
    await eventually(async () => (await tenant.stats()).pending === 700);
  });
});

describe('the expiry sweep', () => {
  it('cancels what was not begun in time, with its children, and nothing else', async () => {
    const tenant = world.key();
    const soon = new Date(Date.now() + 60_000).toISOString();
    const pending = await tenant.enqueue({ expires_at: soon });
    const scheduled = await tenant.enqueue({
      expires_at: soon,
      scheduled_at: '2090-01-01T00:00:00Z',
    });
    const child = await tenant.enqueue({ parent_job_id: pending });
    const lasting = await tenant.enqueue();
    const running = await tenant.leased({ expires_at: soon, queue_name: 'other' });
    await world.owner.query(
      `with a as (update jobs.job_ready set expires_at = now() where id = $1),
         b as (update jobs.job_running set expires_at = now() where id = $3)
       update jobs.job_deferred set expires_at = now() where id = $2`,
      [pending, scheduled, running.id],
    );
    await world.context.close();
    // A start sweeps at once; the beat is 30 s.
    await world.boot({ LEASE_REAP_INTERVAL_MS: '50' });
    await eventually(async () => (await tenant.statusOf(pending)) === 'cancelled');
    expect(await tenant.job(pending)).toMatchObject({
      last_error: 'Job expired',
      completed_at: expect.any(String),
    });
    expect(await tenant.statusOf(scheduled)).toBe('cancelled');
    expect(await tenant.statusOf(child)).toBe('cancelled');
    expect(await tenant.statusOf(lasting)).toBe('pending');
    expect(await tenant.statusOf(running.id)).toBe('processing');
    expect((await tenant.story(scheduled)).at(-1)).toBe('scheduled→cancelled 2');
    expect(await tenant.stats()).toMatchObject({
      pending: 1,
      scheduled: 0,
      processing: 1,
      cancelled: 3,
      total: 5,
    });
  });

  it('is not waited for: an expired job is never claimed', async () => {
    const tenant = world.key();
    await tenant.enqueue({ expires_at: new Date(Date.now() - 1000).toISOString() });
    expect(await tenant.claim()).toEqual([]);
  });
});

describe('retention', () => {
  const prune = () => world.context.get(RetentionPruner).prune(new AbortController().signal);
  const age = (organizationId: string, days: number) =>
    world.owner.query(
      `update jobs.job_finished set completed_at = now() - make_interval(days => $2)
       where organization_id = $1`,
      [organizationId, days],
    );

  it('forgets finished jobs after the days of the plan, with all that belongs to them', async () => {
    const [short, long] = [world.key(), world.key()];
    world.plans.set(short.organizationId, { ...plans.enterprise, job_retention_days: 3 });
    for (const tenant of [short, long]) {
      const { id } = await tenant.leased({ idempotency_key: 'k', tags: ['a'] });
      const proof = { worker_id: 'w-1' };
      await tenant.call('POST', `/jobs/${id}/progress`, { ...proof, percent: 1 });
      await tenant.call('POST', `/jobs/${id}/logs`, { ...proof, lines: ['x'] });
      await tenant.complete(id);
      await tenant.deadLetter({ idempotency_key: 'dead' });
      await tenant.cancel(await tenant.enqueue());
      await age(tenant.organizationId, 4);
      await tenant.enqueue({ idempotency_key: 'alive' });
    }
    // The counts are folded once a second; organizations are found by them.
    await eventually(async () => (await rowsOf('queue_counter', short.organizationId)) > 0);
    await prune();
    expect(await short.stats()).toMatchObject({ pending: 1, total: 1 });
    expect(await long.stats()).toMatchObject({ pending: 1, total: 4 });
    const tables = [
      'job',
      'idempotency_key',
      'job_progress',
      'job_log',
      'job_log_count',
      'job_tag',
      'dead_letter',
      'job_finished',
    ];
    const counts: number[] = [];
    for (const table of tables) counts.push(await rowsOf(table, short.organizationId));
    expect(counts).toEqual([1, 1, 0, 0, 0, 0, 0, 0]);
    // The key is free again; a key of a living job is not.
    const again = { queue_name: 'emails', payload: 1 };
    const freed = await short.call('POST', '/jobs', { ...again, idempotency_key: 'k' });
    expect(freed).toMatchObject({ status: 201, body: { created: true } });
    const kept = await short.call('POST', '/jobs', { ...again, idempotency_key: 'alive' });
    expect(kept.status).toBe(200);
  });

  it('keeps what is younger to the day', async () => {
    const tenant = world.key();
    world.plans.set(tenant.organizationId, { ...plans.enterprise, job_retention_days: 3 });
    const { id } = await tenant.leased();
    await tenant.complete(id);
    await eventually(async () => (await rowsOf('queue_counter', tenant.organizationId)) > 0);
    await world.owner.query(
      `update jobs.job_finished set completed_at = now() - interval '3 days' + interval '1 minute' where id = $1`,
      [id],
    );
    await prune();
    expect(await tenant.statusOf(id)).toBe('completed');
  });

  it('removes more than one batch holds, and the counts stay exact', async () => {
    const tenant = world.key();
    world.plans.set(tenant.organizationId, { ...plans.enterprise, job_retention_days: 3 });
    await world.owner.query(
      `with made as (
         insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, created_at)
         select $1, gen_random_uuid(), 'emails', '1', 3, 300, now() from generate_series(1, 2500) returning id
       ), finished as (
         insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, completed_at, updated_at)
         select $1, id, 'emails', 'completed', 0, 0, 3, now() - interval '10 days', now() from made
       )
       insert into jobs.counter_delta (organization_id, queue_name, created, completed) values ($1, 'emails', 2500, 2500)`,
      [tenant.organizationId],
    );
    await eventually(async () => (await rowsOf('queue_counter', tenant.organizationId)) > 0);
    await prune();
    expect(await rowsOf('job', tenant.organizationId)).toBe(0);
    expect(await rowsOf('job_finished', tenant.organizationId)).toBe(0);
    expect(await tenant.stats()).toMatchObject({ completed: 0, total: 0 });
  });
});

describe('the counter folder', () => {
  it('forgets the counts of queues that hold no job, and makes them anew', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased({ max_retries: 0 });
    await tenant.fail(id);
    await tenant.enqueue({ queue_name: 'reports' });
    await tenant.call('POST', '/jobs/dlq/purge', { confirm: true });
    const counted = async () => {
      const { rows } = await world.owner.query<{ queue_name: string }>(
        `select queue_name from jobs.queue_counter where organization_id = $1 order by 1`,
        [tenant.organizationId],
      );
      return rows.map(({ queue_name }) => queue_name);
    };
    const isFolded = async () => (await rowsOf('counter_delta', tenant.organizationId)) === 0;
    await eventually(isFolded);
    expect(await counted()).toEqual(['emails', 'reports']);
    await world.context
      .get(Database, { strict: false })
      .maintenance((transaction) => transaction.query(pruneActivity));
    expect(await counted()).toEqual(['reports']);
    await tenant.enqueue();
    await eventually(isFolded);
    expect(await counted()).toEqual(['emails', 'reports']);
    expect(await tenant.stats()).toMatchObject({ pending: 2, deadletter: 0, total: 2 });
  });

  it('folds deltas without changing any count', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await tenant.complete(id);
    await tenant.enqueue();
    const before = await tenant.stats();
    await eventually(async () => (await rowsOf('counter_delta', tenant.organizationId)) === 0);
    expect(await tenant.stats()).toEqual(before);
    const { body } = await tenant.call('GET', '/queues/emails/stats');
    expect(body).toMatchObject({ pending_jobs: 1, completed_jobs_24h: 1, failed_jobs_24h: 0 });
  });

  it('shows the stored state to Prometheus', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    await eventually(async () => {
      const { text } = await world.request('GET', '/metrics');
      const pending = Number(/^spooled_jobs_pending (\d+)$/m.exec(text)?.[1]);
      const { rows } = await world.owner.query<{ count: number }>(
        `select (select count(*) from jobs.job_ready)
             + (select count(*) from jobs.job_deferred where status = 'pending') as count`,
      );
      expect(pending).toBe(Number(rows[0]!.count));
    });
  });
});
