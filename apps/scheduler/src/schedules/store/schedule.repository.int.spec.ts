import { EventLog, eventLogMigrations } from '@spooled/event-log';
import { Database, runMigrations } from '@spooled/postgres';
import { testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { migrations } from '../../migrations/index.js';
import { tickRunId } from '../run-id.js';
import { RunRepository, type Fire } from './run.repository.js';
import { ScheduleRepository } from './schedule.repository.js';

/** Events go to the log all the same; a sweeper would publish them. */
const noBus = { publish: () => undefined } as unknown as ConstructorParameters<typeof EventLog>[0];

let database: Database;
let schedules: ScheduleRepository;
let runs: RunRepository;
let client: pg.Client;

const due = new Date('2026-01-01T00:00:00Z');
const later = new Date('2999-01-01T00:00:00Z');
const definition = {
  name: 'nightly',
  description: null,
  cronExpression: '0 0 1 1 *',
  timezone: 'UTC',
  queueName: 'emails',
  payloadTemplate: { n: 1 },
  priority: 0,
  maxRetries: null,
  timeoutSeconds: null,
  tags: null,
  metadata: null,
};

beforeAll(async () => {
  const { url } = await testDatabase({ isEmpty: true });
  await runMigrations(url, [...eventLogMigrations, ...migrations]);
  const role = 'spooled_schedules';
  database = new Database({ url, role, maxConnections: 4, applicationName: 'test' });
  schedules = new ScheduleRepository(database);
  runs = new RunRepository(database, new EventLog(noBus));
  client = new pg.Client({ connectionString: url, options: `-c role=${role}` });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
});

/** A schedule, with a run and a mark, so that each table has a row of the organization. */
async function make(organizationId: string, nextRunAt = later): Promise<string> {
  const id = randomUUID();
  await database.transaction([organizationId], async (tx) => {
    await schedules.markFeeder(tx, organizationId);
    await schedules.insert(tx, organizationId, id, definition, nextRunAt);
  });
  return id;
}

async function makeWithRun(organizationId: string): Promise<string> {
  const scheduleId = await make(organizationId);
  const run = { organizationId, id: randomUUID(), scheduleId };
  expect(await runs.trigger(run, 60)).toBeInstanceOf(Date);
  return scheduleId;
}

/** Statements in one transaction of the given organizations, undone afterwards. */
async function as<T>(organizations: readonly string[], work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  await client.query(`select set_config('app.orgs', $1, true)`, [`{${organizations.join(',')}}`]);
  try {
    return await work();
  } finally {
    await client.query('rollback');
  }
}

describe('row-level security', () => {
  const tables = ['feeder', 'run', 'schedule'];

  it('binds every table of the schema, its owner included', async () => {
    const { rows } = await client.query<{ relname: string }>(
      `select relname from pg_class
       where relnamespace = 'schedules'::regnamespace and relkind in ('r', 'p')
         and relrowsecurity and relforcerowsecurity order by relname`,
    );
    expect(rows.map(({ relname }) => relname)).toEqual(tables);
  });

  it.each(tables)('fails on %s when no organization is set', async (table) => {
    await makeWithRun(randomUUID());
    await expect(client.query(`select * from schedules.${table}`)).rejects.toThrow('app.orgs');
  });

  it.each(tables)('shows of %s the rows of the named organizations alone', async (table) => {
    const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
    for (const organization of [first, second, third]) await makeWithRun(organization);
    const { rows } = await as([first, second], () =>
      client.query<{ organization_id: string }>(`select organization_id from schedules.${table}`),
    );
    expect(rows.map((row) => row.organization_id).sort()).toEqual([first, second].sort());
  });

  it.each([
    ['schedule', `update schedules.schedule set is_active = false`],
    ['run', `update schedules.run set resend_at = now()`],
    ['schedule', `delete from schedules.schedule`],
    ['feeder', `delete from schedules.feeder`],
  ])('keeps the %s of another organization from: %s', async (_table, statement) => {
    const [mine, theirs] = [randomUUID(), randomUUID()];
    await makeWithRun(theirs);
    const { rowCount } = await as([mine], () => client.query(statement));
    expect(rowCount).toBe(0);
  });

  it('refuses to write a row of an organization that is not named', async () => {
    const [named, other] = [randomUUID(), randomUUID()];
    await expect(
      as([named], () =>
        client.query('insert into schedules.feeder (organization_id) values ($1)', [other]),
      ),
    ).rejects.toThrow('row-level security');
  });
});

describe('the tables', () => {
  it.each([
    ['schedule', `priority = 101`],
    ['schedule', `max_retries = -1`],
    ['schedule', `timeout_seconds = 0`],
    ['schedule', `cron_expression = '* * * *'`],
    ['schedule', `name = ''`],
    ['schedule', `metadata = '[]'`],
    ['schedule', `run_count = -1`],
    ['run', `status = 'lost'`],
    ['run', `status = 'completed'`],
    ['run', `completed_at = now()`],
    ['run', `resend_at = null`],
    ['run', `error_message = 'no'`],
  ])('refuse the impossible of a %s: %s', async (table, change) => {
    const organizationId = randomUUID();
    await makeWithRun(organizationId);
    await expect(
      as([organizationId], () => client.query(`update schedules.${table} set ${change}`)),
    ).rejects.toThrow('check constraint');
  });
});

describe('firing', () => {
  const fireOf = (organizationId: string, scheduleId: string, tick: Date): Fire => ({
    organizationId,
    scheduleId,
    tick,
    nextRunAt: later,
    run: {
      organizationId,
      id: tickRunId(scheduleId, tick),
      scheduleId,
      body: null,
      bodyBytes: 0,
      ageMs: 0,
    },
  });

  it('gives each due schedule to one of those who ask at the same time', async () => {
    const organizationId = randomUUID();
    const ids = await Promise.all(Array.from({ length: 20 }, () => make(organizationId, due)));
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const takers = Array.from({ length: 3 }, (_, index) =>
      database.maintenance(async (tx) => {
        const rows = await runs.due(tx, index === 2 ? 100 : 8);
        if (index === 2) release();
        await gate;
        await runs.fire(
          tx,
          rows.map((row) => fireOf(row.organization_id, row.id, new Date(row.tick_ms))),
          60,
        );
        return rows.map(({ id }) => id);
      }),
    );
    const taken = (await Promise.all(takers)).flat();
    expect(taken.filter((id) => ids.includes(id)).sort()).toEqual([...ids].sort());
    expect(await database.maintenance((tx) => runs.due(tx, 100))).toEqual([]);
  });

  it('leaves everything as it was when it is undone', async () => {
    const organizationId = randomUUID();
    const id = await make(organizationId, due);
    const undone = database.maintenance(async (tx) => {
      await runs.fire(tx, [fireOf(organizationId, id, due)], 60);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await schedules.find(organizationId, id)).toMatchObject({
      next_run_at: due,
      run_count: 0,
    });
    expect(await runs.history(organizationId, id, 10, 0)).toEqual([]);
    await database.maintenance((tx) => runs.fire(tx, [fireOf(organizationId, id, due)], 60));
  });

  it('ends a run once, whoever comes first', async () => {
    const organizationId = randomUUID();
    const id = await make(organizationId, due);
    const fire = fireOf(organizationId, id, due);
    await database.maintenance((tx) => runs.fire(tx, [fire], 60));
    const run = fire.run!;
    const ended = await Promise.all([
      runs.end([{ run, queueName: 'emails', errorMessage: null }]),
      runs.end([{ run, queueName: 'emails', errorMessage: null }]),
    ]);
    expect(ended.flat()).toEqual([
      {
        organization_id: organizationId,
        id: run.id,
        status: 'completed',
        lag_secs: expect.any(Number),
        at: expect.any(Date),
      },
    ]);
    await runs.postpone([run], 0);
    expect(await runs.end([{ run, queueName: 'emails', errorMessage: 'too late' }])).toEqual([]);
    expect(await runs.takeUnsent(10, 60)).not.toContainEqual(
      expect.objectContaining({ id: run.id }),
    );
    expect(await runs.history(organizationId, id, 10, 0)).toMatchObject([
      { status: 'completed', error_message: null },
    ]);
  });

  it('lets one of several take a run that is to be sent again', async () => {
    const organizationId = randomUUID();
    const ids = await Promise.all(Array.from({ length: 10 }, () => make(organizationId, due)));
    await database.maintenance((tx) =>
      runs.fire(
        tx,
        ids.map((id) => fireOf(organizationId, id, due)),
        0,
      ),
    );
    const taken = (
      await Promise.all([runs.takeUnsent(7, 60), runs.takeUnsent(7, 60), runs.takeUnsent(7, 60)])
    ).flat();
    const ours = taken.filter((run) => run.organizationId === organizationId);
    expect(new Set(ours.map(({ scheduleId }) => scheduleId)).size).toBe(ours.length);
    ours.push(
      ...(await runs.takeUnsent(100, 60)).filter((run) => run.organizationId === organizationId),
    );
    expect(ours.map(({ scheduleId }) => scheduleId).sort()).toEqual([...ids].sort());
    for (const { bodyBytes, ageMs } of ours) {
      expect(bodyBytes).toBe(JSON.stringify(definition.payloadTemplate).length);
      expect(ageMs).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('pages of organizations', () => {
  it('come in order, each organization once, however many rows it has', async () => {
    const organizations = Array.from({ length: 7 }, () => randomUUID()).sort();
    for (const organization of organizations) {
      await makeWithRun(organization);
      await makeWithRun(organization);
    }
    for (const page of [
      (after: string) => runs.organizations(after, 3),
      (after: string) => schedules.feeders(after, 3),
    ]) {
      const seen: string[] = [];
      for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
        const next = await page(after);
        if (next.length === 0) break;
        seen.push(...next);
        after = next.at(-1)!;
      }
      expect(seen).toEqual([...new Set(seen)].sort());
      expect(seen).toEqual(expect.arrayContaining(organizations));
    }
  });
});
