import { eventLogMigrations } from '@spooled/event-log';
import { Database, runMigrations } from '@spooled/postgres';
import { eventually, testDatabase, type TestDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { migrations } from '../../migrations/index.js';
import { WorkerRepository } from './worker.repository.js';

let testing: TestDatabase;
let database: Database;
let workers: WorkerRepository;
let client: pg.Client;

beforeAll(async () => {
  testing = await testDatabase({ isEmpty: true });
  const { url } = testing;
  await runMigrations(url, [...eventLogMigrations, ...migrations]);
  database = new Database({
    url,
    role: 'spooled_workers',
    maxConnections: 4,
    applicationName: 'test',
  });
  workers = new WorkerRepository(database);
  client = new pg.Client({ connectionString: url, options: '-c role=spooled_workers' });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
  await testing.drop();
});

async function register(organizationId: string, id: string = randomUUID()): Promise<string> {
  await database.transaction([organizationId], async (tx) => {
    expect(await workers.claimId(tx, organizationId, id)).toBe(true);
    await workers.register(tx, organizationId, {
      id,
      queueName: 'emails',
      hostname: 'host-1',
      workerType: null,
      version: null,
      maxConcurrency: 5,
      metadata: {},
    });
  });
  return id;
}

describe('row-level security', () => {
  const tables = ['worker', 'worker_owner'];

  it('binds every table of the schema, its owner included', async () => {
    const { rows } = await client.query<{ relname: string }>(
      `select relname from pg_class
       where relnamespace = 'workers'::regnamespace and relkind in ('r', 'p')
         and relrowsecurity and relforcerowsecurity order by relname`,
    );
    expect(rows.map(({ relname }) => relname)).toEqual(tables);
  });

  it.each(tables)('fails on %s when no organization is set', async (table) => {
    await register(randomUUID());
    await expect(client.query(`select * from workers.${table}`)).rejects.toThrow('app.orgs');
  });

  it.each(tables)('shows of %s the rows of the named organizations alone', async (table) => {
    const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
    for (const organization of [first, second, third]) await register(organization);
    await client.query('begin');
    await client.query(`select set_config('app.orgs', $1, true)`, [`{${first},${second}}`]);
    const { rows } = await client.query<{ organization_id: string }>(
      `select organization_id from workers.${table}`,
    );
    await client.query('rollback');
    expect(rows.map((row) => row.organization_id).sort()).toEqual([first, second].sort());
  });

  it('refuses to write a row of an organization that is not named', async () => {
    const [named, other] = [randomUUID(), randomUUID()];
    await client.query('begin');
    await client.query(`select set_config('app.orgs', $1, true)`, [`{${named}}`]);
    await expect(
      client.query(
        `insert into workers.worker (organization_id, id, queue_name, hostname, max_concurrency)
         values ($1, 'x', 'emails', 'host-1', 5)`,
        [other],
      ),
    ).rejects.toThrow('row-level security');
    await client.query('rollback');
  });

  it('changes nothing of another organization, whatever the statement says', async () => {
    const [mine, theirs] = [randomUUID(), randomUUID()];
    const id = await register(theirs);
    await client.query('begin');
    await client.query(`select set_config('app.orgs', $1, true)`, [`{${mine}}`]);
    const { rowCount } = await client.query(`update workers.worker set status = 'offline'`);
    await client.query('commit');
    expect(rowCount).toBe(0);
    expect(await workers.find(theirs, id)).toMatchObject({ status: 'healthy' });
    expect(await workers.find(mine, id)).toBeNull();
  });
});

describe('the claim on a worker id', () => {
  it('belongs to whoever was first, and to nobody when the transaction was undone', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    const id = randomUUID();
    const undone = database.transaction([second], async (tx) => {
      expect(await workers.claimId(tx, second, id)).toBe(true);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await register(first, id);
    await database.transaction([second], async (tx) => {
      expect(await workers.claimId(tx, second, id)).toBe(false);
    });
    await database.transaction([first], async (tx) => {
      expect(await workers.claimId(tx, first, id)).toBe(true);
    });
  });
});

describe('the table', () => {
  it.each([
    [`status = 'busy'`],
    [`current_jobs = 1001`],
    [`max_concurrency = 0`],
    [`ended = 'stale'`],
    [`release_cause = 'stale', release_since = now()`],
    [`metadata = '[]'`],
  ])('refuses the impossible: %s', async (change) => {
    const organizationId = randomUUID();
    const id = await register(organizationId);
    await client.query('begin');
    await client.query(`select set_config('app.orgs', $1, true)`, [`{${organizationId}}`]);
    await expect(
      client.query(`update workers.worker set ${change} where id = $1`, [id]),
    ).rejects.toThrow('check constraint');
    await client.query('rollback');
  });

  it('replaces a row in place when a worker reports', async () => {
    const organizationId = randomUUID();
    const id = await register(organizationId);
    const before = await hotUpdates();
    const reports = 20;
    for (let count = 0; count < reports; count += 1) {
      await database.transaction([organizationId], (tx) =>
        workers.report(tx, [
          {
            organizationId,
            id,
            status: 'healthy',
            currentJobs: count,
            metadata: null,
            mayTakeSlot: false,
          },
        ]),
      );
    }
    await eventually(async () =>
      expect((await hotUpdates()) - before).toBeGreaterThanOrEqual(reports - 2),
    );
  });

  async function hotUpdates(): Promise<number> {
    const reader = new pg.Client({ connectionString: testing.url });
    await reader.connect();
    // Other sessions' counters arrive with a delay unless they are told to hurry.
    await database.maintenance((tx) =>
      tx.query({ name: 'flush', text: 'select pg_stat_force_next_flush()' }),
    );
    const { rows } = await reader.query<{ hot: string }>(
      `select n_tup_hot_upd as hot from pg_stat_all_tables where relid = 'workers.worker'::regclass`,
    );
    await reader.end();
    return Number(rows[0]!.hot);
  }
});
