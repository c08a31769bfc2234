import { jobsRpc } from '@spooled/contracts';
import { awayFromMidnight, eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { World, type Tenant } from './setup.js';

let world: World;

beforeAll(async () => {
  world = await World.setup();
});
beforeEach(awayFromMidnight);
afterAll(() => world.stop());

/** Something of everything that an organization can have here. */
async function fill(tenant: Tenant): Promise<void> {
  await tenant.deadLetter({ idempotency_key: 'k' });
  const { id } = await tenant.leased();
  await tenant.call('POST', `/jobs/${id}/progress`, { worker_id: 'w-1', percent: 1 });
  await tenant.call('POST', `/jobs/${id}/logs`, { worker_id: 'w-1', lines: ['x'] });
  await tenant.enqueue();
  await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
  await tenant.call('PUT', '/queues/emails/config', { rate_limit: 1000 });
  const first = { key: 'a', queue_name: 'emails', payload: {} };
  const jobs = [first, { ...first, key: 'b', depends_on: ['a'] }];
  await tenant.call('POST', '/workflows', { name: 'w', jobs });
  const { organizationId } = tenant;
  await world.others.request(jobsRpc.setScheduledQueues, {
    organizationId,
    queueNames: ['reports'],
  });
}

/** How many rows of the organization each table has; tables without any are left out. */
async function rowsOf({ organizationId }: Tenant): Promise<Record<string, number>> {
  const { rows: tables } = await world.owner.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'jobs' and c.relkind in ('r', 'p') order by 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const { rows } = await world.owner.query<{ count: string }>(
      `select count(*) from jobs.${name} where organization_id = $1`,
      [organizationId],
    );
    if (Number(rows[0]!.count) > 0) counts[name] = Number(rows[0]!.count);
  }
  return counts;
}

describe('jobs.forget-organization', () => {
  it('leaves nothing of the organization, and all of the others', async () => {
    const [tenant, other] = [world.key(), world.key()];
    await fill(tenant);
    await fill(other);
    const before = await other.stats();
    expect(Object.keys(await rowsOf(tenant)).length).toBeGreaterThan(12);
    const command = { organizationId: tenant.organizationId };
    // Whoever has not enough time for all of it is asked again.
    const forget = () => world.others.request(jobsRpc.forgetOrganization, command);
    await eventually(async () => expect(await forget()).toEqual({ isDone: true }));
    expect(await rowsOf(tenant)).toEqual({});
    expect(await other.stats()).toEqual(before);
    expect(await forget()).toEqual({ isDone: true });
  });

  it('covers every table there is', async () => {
    const { rows } = await world.owner.query<{ name: string }>(
      `select table_name as name from information_schema.columns
       where table_schema = 'jobs' and column_name = 'organization_id'
         and table_name in (select tablename from pg_tables where schemaname = 'jobs')`,
    );
    const { rows: kept } = await import('../src/organizations/store/organization.sql.js');
    expect(kept.tables.toSorted()).toEqual(rows.map(({ name }) => name).sort());
  });
});

describe('jobs.usages', () => {
  it('counts several organizations in one answer', async () => {
    const [one, two, nobody] = [world.key(), world.key(), world.key()];
    await one.enqueue();
    await one.leased({ queue_name: 'reports' });
    await two.deadLetter();
    const organizationIds = [one, two, nobody].map(({ organizationId }) => organizationId);
    const { organizations } = await world.others.request(jobsRpc.usages, { organizationIds });
    const of = ({ organizationId }: Tenant) =>
      organizations.find((counts) => counts.organizationId === organizationId);
    expect(organizations).toHaveLength(3);
    expect(of(one)).toMatchObject({ jobsToday: 2, activeJobs: 2, queues: 2, totalJobs: 2 });
    expect(of(two)).toMatchObject({ jobsToday: 1, activeJobs: 0, queues: 1, totalJobs: 1 });
    expect(of(nobody)).toMatchObject({ jobsToday: 0, activeJobs: 0, queues: 0, totalJobs: 0 });
  });
});

describe('jobs.platform', () => {
  it('adds up all organizations', async () => {
    const ask = () => world.others.request(jobsRpc.platform, {});
    const before = await ask();
    const [one, two] = [world.key(), world.key()];
    await one.enqueue();
    await one.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
    await two.leased();
    await two.deadLetter({ queue_name: 'reports' });
    const { id } = await two.leased({ queue_name: 'others' });
    await two.complete(id);
    expect(await ask()).toEqual({
      pending: before.pending + 1,
      processing: before.processing + 1,
      active: before.active + 3,
      completed24h: before.completed24h + 1,
      failed24h: before.failed24h + 1,
    });
  });
});

describe('jobs.reset-usage', () => {
  it('begins the day anew, and keeps what else was counted', async () => {
    const tenant = world.key({ plan: { max_jobs_per_day: 2 } });
    await tenant.enqueue();
    await tenant.enqueue();
    const refused = await tenant.call('POST', '/jobs', { queue_name: 'emails', payload: {} });
    expect(refused.status).toBe(429);
    const { organizationId } = tenant;
    const reset = () =>
      world.others.request(jobsRpc.resetUsage, { organizationId, actor: { type: 'admin' } });
    const usage = () => world.others.request(jobsRpc.usage, { organizationId });
    await reset();
    expect(await usage()).toMatchObject({ jobsToday: 0, activeJobs: 2 });
    await tenant.enqueue();
    expect(await usage()).toMatchObject({ jobsToday: 1, activeJobs: 3 });
    await reset();
    await reset();
    expect(await usage()).toMatchObject({ jobsToday: 0, activeJobs: 3 });
  });
});

describe('the audit trail', () => {
  const trail = async ({ organizationId }: Tenant) =>
    (
      await world.owner.query<Record<string, unknown>>(
        `select actor_type, action, target, details from audit.entry
         where organization_id = $1 order by id`,
        [organizationId],
      )
    ).rows;

  it('tells of dead letters that were purged, and how many', async () => {
    const tenant = world.key();
    await tenant.deadLetter();
    await tenant.deadLetter();
    const purge = (body: object) => tenant.call('POST', '/jobs/dlq/purge', body);
    expect((await purge({ confirm: true, queue_name: 'emails' })).status).toBe(200);
    // Nothing was left, so nothing was done.
    await purge({ confirm: true });
    expect(await trail(tenant)).toEqual([
      {
        actor_type: 'api_key',
        action: 'dead_letters.purged',
        target: null,
        details: { queue_name: 'emails', older_than: null, count: 2 },
      },
    ]);
  });

  it.each([
    ['with its jobs', true],
    ['without any', false],
  ])('tells once of a queue that was deleted %s', async (_how, deleteJobs) => {
    const tenant = world.key();
    await tenant.call('PUT', '/queues/emails/config', {});
    if (deleteJobs) for (let count = 0; count < 3; count += 1) await tenant.enqueue();
    const { status } = await tenant.call('DELETE', `/queues/emails?delete_jobs=${deleteJobs}`);
    expect(status).toBeLessThan(300);
    expect(await trail(tenant)).toEqual([
      {
        actor_type: 'api_key',
        action: 'queue.deleted',
        target: 'emails',
        details: { delete_jobs: deleteJobs },
      },
    ]);
  });

  it('tells of a daily count that was reset', async () => {
    const tenant = world.key();
    const { organizationId } = tenant;
    await tenant.enqueue();
    const actor = { type: 'api_key', id: randomUUID() } as const;
    await world.others.request(jobsRpc.resetUsage, { organizationId, actor });
    expect(await trail(tenant)).toMatchObject([
      { actor_type: 'api_key', action: 'usage.reset', details: { jobs_today: 1 } },
    ]);
  });
});
