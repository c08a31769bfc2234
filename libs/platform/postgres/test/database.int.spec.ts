import { AppError } from '@spooled/contracts';
import { postgresServer, testDatabase, eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { Database, runMigrations, sql } from '../src/index.js';

const ROLE = 'spooled_test_tenant';
const schema = `
  do $$ begin create role ${ROLE} nologin; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin create role ${ROLE}_maintenance nologin; exception when duplicate_object or unique_violation then null; end $$;
  create table note (organization_id uuid not null, id bigint generated always as identity, body jsonb, at timestamptz default now(),
    text text unique, primary key (organization_id, id));
  alter table note enable row level security;
  alter table note force row level security;
  create policy tenant on note to ${ROLE} using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
  create policy maintenance on note to ${ROLE}_maintenance using (true);
  grant select, insert, update, delete on note to ${ROLE}, ${ROLE}_maintenance;`;

const insert = sql('notes.insert', 'insert into note (organization_id, body) values ($1, $2)');
const insertText = sql('notes.text', 'insert into note (organization_id, text) values ($1, $2)');
const read = sql('notes.read', 'select * from note order by id');
const count = sql('notes.count', 'select count(*) as count from note');

let database: Database;
let url: string;
beforeAll(async () => {
  ({ url } = await testDatabase({ isEmpty: true }));
  await runMigrations(url, [{ name: '0001-notes', up: schema }]);
  database = open(url);
});
afterAll(() => database.close());

function open(at: string): Database {
  return new Database({ url: at, role: ROLE, maxConnections: 3, applicationName: 'test-notes' });
}

describe('a transaction', () => {
  it('sees and writes the rows of its organizations only', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    await database.query([one, two], insert, [one, '1']);
    await database.query([two], insert, [two, '2']);
    await expect(database.query([one], insert, [two, '3'])).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
    });
    expect(await database.query([one], read)).toMatchObject([{ organization_id: one }]);
    expect(await database.query([one, two], read)).toHaveLength(2);
    expect(await database.query([], read)).toEqual([]);
    const all = await database.maintenance((transaction) => transaction.query(read));
    expect(all.length).toBeGreaterThanOrEqual(2);
    // The maintenance role does not stick to the connection.
    expect(await database.query([], read)).toEqual([]);
  });

  it('takes nothing for an organization id that is none', async () => {
    for (const id of ["x', true); drop table note; --", '', '{}']) {
      await expect(database.query([id], read)).rejects.toThrow();
    }
    expect(await database.query([], count)).toEqual([{ count: 0 }]);
  });

  it('gives rows as our code wants them', async () => {
    const id = randomUUID();
    await database.query([id], insert, [id, '{"n":12345678901234567890}']);
    const [row] = await database.query<Record<string, unknown>>([id], read);
    expect(row).toMatchObject({
      organization_id: id,
      id: expect.any(Number),
      at: expect.any(Date),
    });
    expect(JSON.stringify(row!['body'])).toBe('{"n":12345678901234567890}');
  });

  it('leaves nothing behind when its work throws', async () => {
    const id = randomUUID();
    let hasRun = false;
    await expect(
      database.transaction([id], async (transaction) => {
        await transaction.query(insert, [id, '1']);
        transaction.send(insert, [id, '2']);
        transaction.afterCommit(() => {
          hasRun = true;
        });
        throw new AppError('CONFLICT');
      }),
    ).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await database.query([id], read)).toEqual([]);
    expect(hasRun).toBe(false);
  });

  it('hands over the rows of what it sent before it runs what was to run after the commit', async () => {
    const id = randomUUID();
    const order: string[] = [];
    await database.transaction([id], async (transaction) => {
      transaction.send(insert, [id, '1']);
      transaction.send<{ count: number }>(count, [], (rows) =>
        order.push(`sent ${rows[0]!.count}`),
      );
      transaction.afterCommit(() => order.push('committed'));
    });
    expect(order).toEqual(['sent 1', 'committed']);
  });

  it('fails as a whole when a statement that was only sent fails', async () => {
    const id = randomUUID();
    let hasRun = false;
    const failing = database.transaction([id], async (transaction) => {
      await transaction.query(insert, [id, '1']);
      transaction.send(insert, [id, 'not json']);
      transaction.afterCommit(() => {
        hasRun = true;
      });
    });
    await expect(failing).rejects.toMatchObject({ code: 'DATABASE_ERROR' });
    expect(await database.query([id], read)).toEqual([]);
    expect(hasRun).toBe(false);
    // The connection is as good as before.
    await Promise.all(Array.from({ length: 6 }, () => database.query([id], insert, [id, '1'])));
    expect(await database.query([id], read)).toHaveLength(6);
  });

  it('waits for a connection when all are busy, and gives every one back', async () => {
    const id = randomUUID();
    await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const work = database.query([id], insertText, [id, n % 2 === 0 ? `t ${n}` : 'the same']);
        await work.catch(() => undefined);
      }),
    );
    const { rows } = await withClient((client) =>
      client.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity where application_name = 'test-notes' and datname = current_database()`,
      ),
    );
    expect(rows[0]!.count).toBeLessThanOrEqual(3);
    expect((await database.query([id], read)).length).toBe(26);
  });
});

async function withClient<T>(work: (client: pg.Client) => Promise<T>, at = url): Promise<T> {
  const client = new pg.Client({ connectionString: at });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

describe('a statement', () => {
  it('can be found in the statistics by its name, and is prepared once', async () => {
    await withClient(async (owner) => {
      await owner.query('select pg_advisory_lock(1)');
      const running = database.query([], sql('notes.wait', 'select pg_advisory_xact_lock(1)'));
      await eventually(async () => {
        const { rows } = await owner.query(
          `select 1 from pg_stat_activity where query like '/* notes.wait */%' and datname = current_database()`,
        );
        expect(rows).toHaveLength(1);
      });
      await owner.query('select pg_advisory_unlock(1)');
      await running;
    });
  });
});

describe('a database that goes away', () => {
  it('is SERVICE_UNAVAILABLE while it is away, and just works when it is back', async () => {
    const server = await postgresServer({ isDurable: true });
    await runMigrations(server.urlOf('postgres'), [{ name: '0001-notes', up: schema }]);
    const own = open(server.urlOf('postgres'));
    try {
      const id = randomUUID();
      await own.query([id], insert, [id, '1']);
      expect(await own.ping()).toBe(true);
      const busy = Promise.allSettled(
        Array.from({ length: 6 }, () => own.query([id], sql('notes.sleep', 'select pg_sleep(14)'))),
      );
      await server.stop('immediate');
      for (const outcome of await busy) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { code: 'SERVICE_UNAVAILABLE', retryAfterSecs: 1 },
        });
      }
      await expect(own.query([id], read)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      expect(await own.ping()).toBe(false);
      await server.start();
      await eventually(async () => expect(await own.query([id], read)).toHaveLength(1));
    } finally {
      await own.close();
    }
  });

  it('is one that has become a standby: nothing is written there, and its connections are not kept', async () => {
    const { url: at } = await testDatabase({ isEmpty: true });
    await runMigrations(at, [{ name: '0001-notes', up: schema }]);
    const own = open(at);
    const id = randomUUID();
    await withClient(async (owner) => {
      const setting = `alter database ${owner.database} set default_transaction_read_only`;
      await owner.query(`${setting} = on`);
      await expect(own.query([id], insert, [id, '1'])).rejects.toMatchObject({
        code: 'SERVICE_UNAVAILABLE',
      });
      await owner.query(`${setting} = off`);
      // A session keeps what was set when it began: this is another one.
      await own.query([id], insert, [id, '1']);
    }, at).finally(() => own.close());
  });

  it('may be away from the start', async () => {
    const own = open('postgres://nobody@127.0.0.1:1/none');
    await expect(own.query([], count)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(await own.ping()).toBe(false);
    await own.close();
  });
});

describe('a commit that waits for a standby', () => {
  let own: Database;
  let owner: pg.Client;

  beforeAll(async () => {
    const server = await postgresServer({ isDurable: true });
    await runMigrations(server.url, [{ name: '0001-notes', up: schema }]);
    owner = new pg.Client({ connectionString: server.url });
    await owner.connect();
    await owner.query(`alter system set synchronous_standby_names = 'nobody'`);
    await owner.query('select pg_reload_conf()');
    own = open(server.url);
  });
  afterAll(async () => {
    await own?.close();
    await owner?.end();
  });

  it.each(['pg_cancel_backend', 'pg_terminate_backend'])(
    'is not taken for done when %s ends the wait',
    async (end) => {
      const id = randomUUID();
      let hasRun = false;
      const waiting = own.transaction([id], async (transaction) => {
        transaction.afterCommit(() => {
          hasRun = true;
        });
        await transaction.query(insert, [id, '1']);
      });
      waiting.catch(() => undefined);
      await eventually(async () => {
        const { rowCount } = await owner.query(
          `select ${end}(pid) from pg_stat_activity where wait_event = 'SyncRep'`,
        );
        return rowCount === 1;
      });
      await expect(waiting).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      expect(hasRun).toBe(false);
      // It is there all the same: who asks again may get two.
      expect(await own.query([id], read)).toHaveLength(1);
    },
  );
});

describe('migrations', () => {
  it('run once, in order, however many start at once', async () => {
    const empty = await testDatabase({ isEmpty: true });
    const migrations = [
      { name: '0001-first', up: 'create table first (id int)' },
      { name: '0002-second', up: 'alter table first add column more int' },
    ];
    await Promise.all(Array.from({ length: 4 }, () => runMigrations(empty.url, migrations)));
    await runMigrations(empty.url, [
      ...migrations,
      { name: '0003-third', up: 'insert into first values (1, 2)' },
    ]);
    const client = new pg.Client({ connectionString: empty.url });
    await client.connect();
    const { rows } = await client.query('select * from first');
    await client.end();
    expect(rows).toEqual([{ id: 1, more: 2 }]);
  });

  it('that fail leave nothing behind and are tried again', async () => {
    const empty = await testDatabase({ isEmpty: true });
    const broken = { name: '0001-broken', up: 'create table a (id int); select 1/0' };
    await expect(runMigrations(empty.url, [broken])).rejects.toThrow(/division/);
    await runMigrations(empty.url, [{ name: '0001-broken', up: 'create table a (id int)' }]);
  });

  it('need a number in their name', async () => {
    await expect(runMigrations(url, [{ name: 'nameless', up: '' }])).rejects.toThrow(/no number/);
  });
});
