import { testDatabase } from '@spooled/testing';
import pg from 'pg';

import { distribution } from '../../src/distribution.js';
import { accessesOf, type PlanNode, type Reach } from './reach.js';
import { findStatements, type Statement } from './statements.js';

/**
 * Every statement of the services serves the one organization that a parameter names, but for those in these lists. What
 * is in a list and does not belong there, or belongs and is not there, fails.
 */
const SEVERAL = new Map([
  [
    'group commit: one statement for the calls of all who are served together (ADR 2), or of one, by GROUP_COMMIT_BY_ORGANIZATION',
    `jobs.claim jobs.complete jobs.enqueue jobs.fail jobs.renew jobs.unclaim jobs.diagnose jobs.jobs-by-key
     jobs.taken-keys jobs.known-ids jobs.traceparents jobs.note-completion-webhooks dependencies.depend
     dependencies.parents-among dependencies.release-children dependencies.cancel-children quotas.usage workflows.lock
     workflows.recount workers.report events.append`,
  ],
  [
    'the log of many organizations, whoever reads or confirms it',
    'events.behind events.confirm events.positions',
  ],
  ['what many wait for, looked up in one question', 'jobs.leases-that-hold jobs.queues-with-work'],
  [
    'loops that take what is due, of whomever, and then work for those',
    `schedules.bodies schedules.end-runs schedules.fire schedules.postpone-runs webhooks.delivery-claim
     webhooks.delivery-settle`,
  ],
  ['what many organizations use, for the operator', 'organizations.totals workers.usages'],
]);

/** Of all organizations, as maintenance: loops that look for what is due, and numbers for the operator. */
const ALL = `
  events.lag events.unconfirmed jobs.completion-webhook-organizations jobs.expire jobs.fold-counters jobs.gauges
  jobs.next-due jobs.organizations-with-jobs jobs.prune-activity jobs.stage-due jobs.take-back-expired
  organizations.platform removals.take-due schedules.due schedules.feeders schedules.organizations-with-runs
  schedules.take-unsent schedules.until-due sessions.prune tickets.prune webhooks.delivery-organizations
  webhooks.due-lanes webhooks.followers workers.count-everywhere workers.pending-releases workers.prune
  workers.sweep-stale`;

/** Functions that make statements, each with what it may be asked; and those that make parts of statements. */
const LIST = { statuses: [], order: 'created_at', direction: 'asc', range: 'none' } as const;
const PLAIN = { ...LIST, hasScope: false, hasQueue: false, tag: 'none', jobType: 'none' } as const;
const RARITIES = ['none', 'rare', 'common'];
const ORDERS = `created_at updated_at scheduled_at completed_at priority status queue_name retry_count`;
const OLDEST = RARITIES.flatMap((tag) =>
  RARITIES.flatMap((jobType) => [true, false].map((hasQueue) => ({ hasQueue, tag, jobType }))),
);
const MAKERS: Readonly<Record<string, readonly object[]>> = {
  'list list': [
    ...words(ORDERS).flatMap((order) =>
      [[], ['pending'], ['completed'], ['failed', 'processing']].map((statuses) => ({
        ...PLAIN,
        order,
        statuses,
      })),
    ),
    ...RARITIES.flatMap((tag) =>
      RARITIES.flatMap((jobType) =>
        ['none', 'ids', 'times'].flatMap((range) =>
          [[], ['pending'], ['failed', 'completed']].map((statuses) => ({
            ...PLAIN,
            ...{ tag, jobType, range, statuses, direction: 'desc', hasScope: true, hasQueue: true },
          })),
        ),
      ),
    ),
  ],
  'dead-letter list': RARITIES.flatMap((tag) =>
    [true, false].map((is) => ({ hasQueue: is, hasScope: is, tag })),
  ),
  'dead-letter purge': OLDEST,
  'dead-letter retryOldest': OLDEST,
};
const PARTS = [
  'attempt remembered',
  'by-key byKey',
  'cancelled cancelled',
  'list ofBody',
  'list tagged',
];

/** Planned as job-api has it: each table is begun with where the condition leads, which the plan then shows. */
const SETTINGS = ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort'];

let client: pg.Client;
let found: Awaited<ReturnType<typeof findStatements>>;
/** From 0, by table and partition; the table that a partition is of. */
const positions = new Map<string, number>();
const parents = new Map<string, string>();
beforeAll(async () => {
  const { url } = await testDatabase();
  client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const each of SETTINGS) await client.query(`set enable_${each} = off`);
  await client.query(
    `create table public.one (organization_id uuid, id int, primary key (organization_id, id));
     create table public.two (id int, organization_id uuid, primary key (organization_id, id))`,
  );
  const { rows } = await client.query<{ name: string; parent: string; position: number | null }>(
    `select n.nspname || '.' || c.relname as name, a.attnum - 1 as position,
       coalesce(pn.nspname || '.' || p.relname, n.nspname || '.' || c.relname) as parent
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     left join pg_inherits i on i.inhrelid = c.oid
     left join pg_class p on p.oid = i.inhparent left join pg_namespace pn on pn.oid = p.relnamespace
     left join pg_attribute a on a.attrelid = c.oid and a.attname = $1 where c.relkind in ('r', 'p')`,
    [distribution.column],
  );
  for (const { name, parent, position } of rows) {
    if (position !== null) positions.set(name, position);
    parents.set(name, parent);
  }
  found = await findStatements();
});
afterAll(() => client.end());

interface Use {
  /** How far it reaches into distributed tables; none: it does not. */
  readonly reach: Reach | 'none';
  readonly tables: readonly string[];
}

async function useOf(text: string): Promise<Use> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `explain (generic_plan, verbose, costs off, format json) ${text}`,
  );
  const accesses = accessesOf(
    rows[0]!['QUERY PLAN'][0].Plan,
    (table) => positions.get(table) ?? -1,
  );
  const { reference, local } = distribution;
  const tables = [...new Set(accesses.map(({ table }) => parents.get(table) ?? table))];
  const cut = accesses.filter(({ table }) => !(table in reference) && !(table in local));
  const reach = (['all', 'several', 'one'] as const).find((each) =>
    cut.some((access) => access.reach === each),
  );
  return {
    reach: reach ?? 'none',
    tables,
  };
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

describe('every statement', () => {
  it('is found', () => {
    expect(found.statements.length).toBeGreaterThan(200);
    expect([...found.functions.keys()].sort()).toEqual([...Object.keys(MAKERS), ...PARTS].sort());
    expect(found.elsewhere).toEqual([]);
  });

  it('names one organization, or is in a list', async () => {
    const made = Object.entries(MAKERS).flatMap(([name, shapes]) => {
      const make = found.functions.get(name) as (shape: object) => Statement;
      return shapes.map((shape) => make(shape));
    });
    const reaches: Record<Reach | 'none', string[]> = { one: [], several: [], all: [], none: [] };
    const mixed: string[] = [];
    for (const { name, text } of [...found.statements, ...made]) {
      const { reach, tables } = await useOf(text);
      reaches[reach].push(name);
      if (reach !== 'none' && tables.some((table) => table in distribution.local)) mixed.push(name);
    }
    expect(reaches.several.sort()).toEqual([...SEVERAL.values()].flatMap(words).sort());
    expect(reaches.all.sort()).toEqual(words(ALL).sort());
    // A node cannot join its part of a table with what only another one has.
    expect(mixed).toEqual([]);
    expect(reaches.one.length).toBeGreaterThan(200);
  });
});

describe('the plan', () => {
  it.each<[Reach | 'none', string]>([
    ['one', 'select from one where organization_id = $1 and id = $2'],
    ['one', 'select from one join two using (organization_id, id) where two.organization_id = $1'],
    [
      'one',
      'select from one left join two on two.organization_id = one.organization_id where one.organization_id = $1',
    ],
    [
      'one',
      'with gone as (delete from one where organization_id = $1 returning *) insert into two select id, organization_id from gone',
    ],
    [
      'one',
      'insert into one values ($1, $2) on conflict (organization_id, id) do update set id = excluded.id',
    ],
    [
      'one',
      'select from (select * from one union all select organization_id, id from two) s where s.organization_id = $1',
    ],
    ['several', 'select from one where organization_id = any ($1)'],
    [
      'several',
      'select from unnest($1::uuid[], $2::int[]) as i(organization_id, id) join one using (organization_id, id)',
    ],
    [
      'several',
      'with i as materialized (select * from unnest($1::uuid[]) as i(organization_id)) delete from one s using i where s.organization_id = any (array[i.organization_id])',
    ],
    ['all', 'select from one where id = $1'],
    ['all', 'select from one where organization_id = $1 or id = $2'],
    ['all', 'select from one where not (organization_id = $1 and id = $2)'],
    ['all', 'select from one join two using (organization_id, id)'],
    ['all', 'select from one join two using (id) where two.organization_id = $1'],
    [
      'all',
      'select from one left join two on two.organization_id = one.organization_id and two.organization_id = $1',
    ],
    [
      'all',
      'select from one where organization_id = $1 and exists (select from two where two.id = one.id)',
    ],
    ['all', 'select from one where organization_id = $1 union all select from two'],
    [
      'all',
      'with gone as (delete from one where organization_id = $1 returning id) insert into two select id, gen_random_uuid() from gone',
    ],
    ['all', 'update one set id = $1'],
    ['none', 'select $1::uuid as organization_id'],
  ])('shows %s: %s', async (reach, text) => {
    expect(await useOf(text)).toMatchObject({ reach });
  });
});
