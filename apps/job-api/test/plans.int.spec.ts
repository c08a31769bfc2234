import { auditMigrations } from '@spooled/audit';
import { eventLogMigrations } from '@spooled/event-log';
import { runMigrations, type Statement } from '@spooled/postgres';
import { testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { KEYED_PLANS } from '../src/job-api.module.js';
import { claim, unclaim } from '../src/jobs/store/claim.sql.js';
import { appendLog, complete, fail, renew, report } from '../src/jobs/store/settle.sql.js';
import { list, type ListShape } from '../src/jobs/store/list.sql.js';
import * as whySql from '../src/jobs/store/why.sql.js';
import { expire, stageDue, takeBackExpired } from '../src/maintenance/maintenance.sql.js';
import { migrations } from '../src/migrations/index.js';

/** The plan of a statement as whoever sends it gets it: for any parameters. */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Operation?: string;
  readonly Plans?: readonly PlanNode[];
}

let database: Awaited<ReturnType<typeof testDatabase>>;
let owner: pg.Client;

beforeEach(async () => {
  database = await testDatabase({ isEmpty: true });
  await runMigrations(database.url, [...eventLogMigrations, ...auditMigrations, ...migrations]);
  owner = await connect();
});

afterEach(async () => {
  await owner.end();
  await database.drop();
});

const HOT = ['job', 'job_ready', 'job_deferred', 'job_running'];

/** What tables may look like when a plan is made that is kept. */
const moments: readonly (readonly [string, () => Promise<void>])[] = [
  ['on fresh tables', async () => undefined],
  ['on tables that were vacuumed while they were empty', vacuum],
  ['on full tables', () => fill(8000).then(vacuum)],
  [
    'on tables with one row among many dead ones that a snapshot keeps',
    async () => {
      await fill(8000);
      const holder = await connect();
      await holder.query('begin isolation level repeatable read; select 1');
      await holder.query('select count(*) from jobs.job');
      for (const table of HOT) {
        await owner.query(
          `delete from jobs.${table} where id <> (select id from jobs.${table} limit 1)`,
        );
      }
      await vacuum();
      await holder.end();
    },
  ],
];

const KEY = /\borganization_id = .*\bid = /;
const HEAD = /\borganization_id = .*\bqueue_name = .*\bpriority [<=>] /;

const any: ListShape = {
  statuses: [],
  order: 'created_at',
  direction: 'desc',
  hasScope: false,
  hasQueue: false,
  tag: 'none',
  jobType: 'none',
  range: 'none',
};
const BY_TYPE = /\borganization_id = .*\bjob_type = /;
const BY_ID = /\borganization_id = .*\bid >= .*\bid <= /;
/** Rows of bodies found by `by`, and the states of those. */
const states = { job_ready: KEY, job_deferred: KEY, job_running: KEY };
const either = (...ways: RegExp[]) => new RegExp(ways.map(({ source }) => source).join('|'));

const lists: readonly (readonly [Partial<ListShape>, RegExp])[] = [
  [{}, /\borganization_id = /],
  [{ jobType: 'rare' }, BY_TYPE],
  [{ jobType: 'common' }, BY_TYPE],
  [{ jobType: 'rare', hasScope: true, range: 'times' }, BY_TYPE],
  [{ jobType: 'rare', statuses: ['pending', 'deadletter'] }, BY_TYPE],
  [{ range: 'ids' }, BY_ID],
  [{ range: 'times' }, BY_ID],
];

const statements: readonly (readonly [Statement, Readonly<Record<string, RegExp>>])[] = [
  [claim, { job_ready: new RegExp(`${KEY.source}|${HEAD.source}`), job: KEY }],
  [unclaim, { job_running: KEY }],
  [complete, { job_running: KEY }],
  [fail, { job_running: KEY, job: KEY }],
  [renew, { job_running: KEY }],
  [report, { job_running: KEY }],
  [appendLog, { job_running: KEY }],
  [whySql.job, { job: KEY, job_ready: KEY, job_deferred: KEY, job_running: KEY }],
  [whySql.dependencies, { job: KEY }],
  [whySql.queue, { job_ready: HEAD }],
  ...lists.map(
    ([over, by]) => [list({ ...any, ...over }), { job: either(KEY, by), ...states }] as const,
  ),
];

const loops: typeof statements = [
  [takeBackExpired, { job_running: new RegExp(`${KEY.source}|lease_expires_at <= `), job: KEY }],
  [stageDue, { job_deferred: new RegExp(`${KEY.source}|due_at <= `) }],
  [
    expire,
    {
      job_ready: new RegExp(`${KEY.source}|expires_at <= `),
      job_deferred: new RegExp(`${KEY.source}|expires_at <= `),
    },
  ],
];

describe.each(moments)('%s', (_, prepare) => {
  it('every hot statement looks rows up by their keys', async () => {
    await prepare();
    for (const [statement, allowed] of statements) {
      await expectKeyed('spooled_jobs', statement, allowed);
    }
    for (const [statement, allowed] of loops) {
      await expectKeyed('spooled_jobs_maintenance', statement, allowed);
    }
  });
});

async function expectKeyed(
  role: string,
  { name, text }: Statement,
  allowed: Readonly<Record<string, RegExp>>,
): Promise<void> {
  const settings = Object.entries(KEYED_PLANS).map(([key, value]) => `set local ${key} = ${value}`);
  await owner.query(`begin; set local role ${role}; ${settings.join('; ')};
    select set_config('app.orgs', '{${randomUUID()}}', true)`);
  const { rows } = await owner.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(
    `explain (generic_plan, format json) ${text}`,
  );
  await owner.query('rollback');
  const reads = scans(rows[0]!['QUERY PLAN'][0]!.Plan);
  const tables = Object.keys(allowed);
  expect([name, new Set(reads.map(({ table }) => table))]).toEqual([name, new Set(tables)]);
  for (const { table, condition } of reads) {
    expect(`${name}: ${table} by ${condition}`).toMatch(allowed[table]!);
  }
}

/** Where the plan reads job tables, and by what. */
function scans(node: PlanNode): { table: string; condition: string }[] {
  const table = node['Relation Name'];
  const isScan = table !== undefined && node.Operation === undefined && HOT.includes(table);
  const own = isScan ? [{ table, condition: node['Index Cond'] ?? node['Node Type'] }] : [];
  return [...own, ...(node.Plans ?? []).flatMap(scans)];
}

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  return client;
}

async function vacuum(): Promise<void> {
  await owner.query(`vacuum ${HOT.map((table) => `jobs.${table}`).join(', ')}`);
}

async function fill(jobs: number): Promise<void> {
  await owner.query(`
    create temporary table made as
      select '00000000-0000-4000-8000-000000000001'::uuid as organization_id, gen_random_uuid() as id,
        'q' as queue_name, now() as at from generate_series(1, ${jobs});
    insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, created_at)
      select organization_id, id, queue_name, '{}', 3, 300, at from made;
    insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, updated_at)
      select organization_id, id, queue_name, 0, 0, 1, at from made;
    insert into jobs.job_deferred (organization_id, id, queue_name, priority, status, retry_count, rev, due_at, updated_at)
      select organization_id, id, queue_name, 0, 'scheduled', 0, 1, at, at from made;
    insert into jobs.job_running (organization_id, id, queue_name, priority, retry_count, max_retries, rev, started_at,
        worker_id, lease_id, lease_expires_at, updated_at)
      select organization_id, id, queue_name, 0, 0, 3, 1, at, 'w', id, at, at from made`);
}
