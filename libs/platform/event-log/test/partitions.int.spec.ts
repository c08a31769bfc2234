import { Database } from '@spooled/postgres';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { rollPartitions } from '../src/event-log.sql.js';
import { entry, event, marks, World } from './setup.js';

let world: World;
let events: Database;
beforeAll(async () => {
  world = await World.setup();
  events = new Database({
    url: world.databaseUrl,
    role: 'spooled_events',
    maxConnections: 4,
    applicationName: 'test',
  });
});
afterAll(async () => {
  await events.close();
  await world.stop();
});

const roll = (hours: number) => events.query([], rollPartitions, [hours]);

async function partitions(): Promise<string[]> {
  const { rows } = await world.owner.query<{ relname: string }>(
    `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'events.log'::regclass order by 1`,
  );
  return rows.map(({ relname }) => relname);
}

/** The partition that holds an organization's events. */
async function homeOf(organizationId: string): Promise<string | undefined> {
  const { rows } = await world.owner.query<{ home: string }>(
    'select tableoid::regclass::text as home from events.log where organization_id = $1',
    [organizationId],
  );
  return rows[0]?.home;
}

const insertAt = (organizationId: string, hours: number) =>
  world.owner.query(
    `insert into events.log values ($1, 1, 1, $2, now() + make_interval(hours => $3))`,
    [organizationId, JSON.stringify([event('x')]), hours],
  );

describe('the partitions of the log', () => {
  it('stand ready for the coming two days, after any number of rolls at once', async () => {
    await Promise.all(Array.from({ length: 4 }, () => roll(24)));
    const names = await partitions();
    expect(names.filter((name) => /^log_\d{10}$/.test(name))).toHaveLength(13);
    expect(names).toContain('log_overflow');
    const [now, soon] = [randomUUID(), randomUUID()];
    await world.append([entry(now, 'a')]);
    await insertAt(soon, 44);
    expect(await homeOf(now)).toMatch(/^events\.log_\d{10}$/);
    expect(await homeOf(soon)).toMatch(/^events\.log_\d{10}$/);
  });

  it('take in what overflowed while nobody rolled', async () => {
    const [due, far] = [randomUUID(), randomUUID()];
    // Nobody rolled for long: the partition of the moment is missing.
    const { rows } = await world.owner.query<{ name: string }>(
      `select 'log_' || to_char(date_bin('4 hours', now(), 'epoch') at time zone 'UTC', 'YYYYMMDDHH24') as name`,
    );
    await world.owner.query(`drop table events.${rows[0]!.name}`);
    await insertAt(due, 0);
    await insertAt(far, 24 * 30);
    expect(await homeOf(due)).toBe('events.log_overflow');
    await roll(24);
    expect(await homeOf(due)).toBe(`events.${rows[0]!.name}`);
    expect(await homeOf(far)).toBe('events.log_overflow');
  });

  it('go as a whole when retention has passed, and not before', async () => {
    await world.owner.query(
      `create table events.log_2020010100 partition of events.log
       for values from ('2020-01-01 00:00Z') to ('2020-01-01 04:00Z')`,
    );
    const id = randomUUID();
    await world.owner.query(`insert into events.log values ($1, 1, 1, $2, '2020-01-01 01:00Z')`, [
      id,
      JSON.stringify([event('old')]),
    ]);
    const alive = randomUUID();
    await world.append([entry(alive, 'young')]);
    const overflowing = randomUUID();
    await world.owner.query(
      `insert into events.log values ($1, 1, 1, $2, now() - interval '3 days')`,
      [overflowing, JSON.stringify([event('old')])],
    );
    const years = 24 * 365 * 50;
    await roll(years);
    expect(await homeOf(id)).toBe('events.log_2020010100');
    await roll(24);
    expect(await partitions()).not.toContain('log_2020010100');
    expect(await homeOf(id)).toBeUndefined();
    expect(await homeOf(overflowing)).toBeUndefined();
    expect(marks(await world.log(alive))).toEqual(['young']);
  });

  it('forget what could not be published before it left', async () => {
    const id = randomUUID();
    await world.owner.query(`insert into events.outbox values ($1, 7, now() - interval '1 hour')`, [
      id,
    ]);
    const { eventually } = await import('@spooled/testing');
    await eventually(async () => (await world.outbox()) === 0);
  });
});

describe('the log and its tenants', () => {
  /** A connection as the room, with or without organizations. */
  async function asRoom<T>(organizations: string | undefined, sql: string): Promise<T[]> {
    const client = new pg.Client({
      connectionString: world.databaseUrl,
      options: '-c role=spooled_event_writer',
    });
    await client.connect();
    try {
      await client.query('begin');
      if (organizations !== undefined) {
        await client.query(`select set_config('app.orgs', $1, true)`, [organizations]);
      }
      return (await client.query(sql)).rows as T[];
    } finally {
      await client.end();
    }
  }

  it('shows a position to its own organization only, and fails closed', async () => {
    const [mine, other] = [randomUUID(), randomUUID()];
    await world.append([entry(mine, 'a'), entry(other, 'b')]);
    const all = 'select organization_id from events.position';
    expect(await asRoom(`{${mine}}`, all)).toEqual([{ organization_id: mine }]);
    expect(await asRoom('{}', all)).toEqual([]);
    await expect(asRoom(undefined, all)).rejects.toThrow(/app\.orgs|malformed array/);
  });

  it.each([
    'select 1 from events.log',
    'select 1 from events.outbox',
    'select 1 from events.log_overflow',
    'delete from events.position',
    'truncate events.log',
    `select events.roll_partitions('1 hour')`,
  ])('does not let a room %s', async (sql) => {
    await expect(asRoom(`{${randomUUID()}}`, sql)).rejects.toThrow(/permission denied/);
  });

  it('guards every table that names an organization', async () => {
    const { rows } = await world.owner.query<{ name: string; kind: string; problem: string }>(
      `select c.relname as name, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
         pg_get_userbyid(c.relowner) as owner,
         (select count(*)::int from aclexplode(c.relacl) a
          where pg_get_userbyid(a.grantee) like 'spooled\_%') as grants
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
       where n.nspname = 'events' and c.relkind in ('r', 'p')`,
    );
    expect(rows.length).toBeGreaterThan(15);
    for (const row of rows as unknown as Record<string, unknown>[]) {
      expect(row).toMatchObject({
        relrowsecurity: true,
        owner: expect.not.stringMatching(/^spooled_/),
      });
      // Partitions are reached through their parent alone.
      if (row['relispartition'] === true) expect(row).toMatchObject({ grants: 0 });
      else expect(row).toMatchObject({ relforcerowsecurity: true });
    }
  });
});
