import pg from 'pg';
import { World, type Tenant } from './setup.js';

let world: World;
let room: pg.Client;
let mine: Tenant;
let other: Tenant;
let tables: string[];

beforeAll(async () => {
  world = await World.setup();
  room = new pg.Client({ connectionString: world.databaseUrl, options: '-c role=spooled_jobs' });
  await room.connect();
  [mine, other] = [world.key(), world.key()];
  for (const tenant of [mine, other]) await fill(tenant);
  // The folder would take the deltas away.
  await world.context.close();
  for (const { organizationId } of [mine, other]) await leaveCounts(organizationId);
  const { rows } = await world.owner.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'jobs' and c.relkind in ('r', 'p') order by 1`,
  );
  tables = rows.map(({ name }) => name);
});
afterAll(async () => {
  await room.end();
  await world.stop();
});

/** A row in every table. */
async function fill(tenant: Tenant): Promise<void> {
  await tenant.deadLetter({ idempotency_key: 'k', tags: ['t'] });
  await tenant.fail((await tenant.leased({ queue_name: 'retried' })).id);
  const { id } = await tenant.leased();
  await tenant.call('POST', `/jobs/${id}/progress`, { worker_id: 'w-1', percent: 1 });
  await tenant.call('POST', `/jobs/${id}/logs`, { worker_id: 'w-1', lines: ['x'] });
  await tenant.enqueue();
  const completion_webhook = 'https://example.com/hook';
  await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z', completion_webhook });
  await tenant.call('PUT', '/queues/emails/config', { rate_limit: 1000 });
  const first = { key: 'a', queue_name: 'emails', payload: {} };
  const jobs = [first, { ...first, key: 'b', depends_on: ['a'] }];
  await tenant.call('POST', '/workflows', { name: 'w', jobs });
}

async function leaveCounts(organizationId: string): Promise<void> {
  await world.owner.query(
    `with a as (insert into jobs.queue_counter (organization_id, queue_name) values ($1, 'own')),
       b as (insert into jobs.queue_activity (organization_id, queue_name, bucket) values ($1, 'own', 'epoch')),
       c as (insert into jobs.daily_count (organization_id, day, created) values ($1, 'epoch', 1)),
       d as (insert into jobs.scheduled_queue (organization_id, queue_name) values ($1, 'own'))
     insert into jobs.counter_delta (organization_id, queue_name) values ($1, 'own')`,
    [organizationId],
  );
}

/** Runs as the room for these organizations, or without naming any, and rolls back. */
async function asRoom(organizations: string | undefined, sql: string): Promise<pg.QueryResult> {
  await room.query('begin');
  try {
    if (organizations !== undefined) {
      await room.query(`select set_config('app.orgs', $1, true)`, [organizations]);
    }
    return await room.query(sql);
  } finally {
    await room.query('rollback');
  }
}

describe('the role of the room', () => {
  it('owns nothing, and every table is guarded by forced row-level security', async () => {
    const { rows } = await world.owner.query<Record<string, unknown>>(
      `select c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_get_userbyid(c.relowner) as owner,
         exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'organization_id') as is_tenant
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'jobs' and c.relkind in ('r', 'p')`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(13);
    for (const row of rows) {
      expect(row).toMatchObject({
        is_tenant: true,
        relrowsecurity: true,
        relforcerowsecurity: true,
        owner: expect.not.stringMatching(/^spooled_/),
      });
    }
    const attributes = await world.owner.query<Record<string, unknown>>(
      `select rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname like 'spooled\\_jobs%'`,
    );
    for (const row of attributes.rows) {
      expect(row).toEqual({ rolsuper: false, rolbypassrls: false, rolcanlogin: false });
    }
  });

  it('sees nothing at all when no organization is set', async () => {
    for (const table of tables) {
      await expect(asRoom(undefined, `select * from jobs.${table}`)).rejects.toThrow(
        /app\.orgs|malformed array/,
      );
      expect((await asRoom('{}', `select * from jobs.${table}`)).rows).toEqual([]);
    }
  });

  it('sees the rows of the organizations that are set, and no others', async () => {
    for (const table of [...tables, 'job_state']) {
      const { rows } = await asRoom(
        `{${mine.organizationId}}`,
        `select distinct organization_id from jobs.${table}`,
      );
      expect({ table, rows }).toEqual({ table, rows: [{ organization_id: mine.organizationId }] });
      const both = await asRoom(
        `{${mine.organizationId},${other.organizationId}}`,
        `select distinct organization_id from jobs.${table}`,
      );
      expect({ table, count: both.rowCount }).toEqual({ table, count: 2 });
    }
  });

  it('changes and removes nothing of others, and writes nothing in their name', async () => {
    const orgs = `{${mine.organizationId}}`;
    const id = `'${other.organizationId}'`;
    for (const table of tables) {
      const changed = await asRoom(
        orgs,
        `update jobs.${table} set organization_id = organization_id where organization_id = ${id}`,
      );
      expect(changed.rowCount).toBe(0);
      const removed = await asRoom(orgs, `delete from jobs.${table} where organization_id = ${id}`);
      expect(removed.rowCount).toBe(0);
      await expect(
        asRoom(orgs, `update jobs.${table} set organization_id = ${id}`),
      ).rejects.toThrow(/row-level security/);
    }
  });

  it('cannot become the maintenance role by itself', async () => {
    await expect(asRoom('{}', 'truncate jobs.job')).rejects.toThrow(/permission denied/);
    await expect(asRoom('{}', 'alter table jobs.job disable row level security')).rejects.toThrow(
      /must be owner/,
    );
  });
});
