import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { distributeTables } from '@spooled/postgres';
import { testDatabase } from '@spooled/testing';
import pg from 'pg';

import { distribution } from '../../src/distribution.js';

const { column, reference, local } = distribution;
const exceptions = [...Object.keys(reference), ...Object.keys(local)];

/** Deleted by what they hold, summed before: no key is needed. Citus moves their shards only while nobody writes. */
const tablesWithoutKey = ['jobs.counter_delta'];

let url: string;
let client: pg.Client;
beforeEach(async () => {
  ({ url } = await testDatabase());
  client = new pg.Client({ connectionString: url });
  await client.connect();
});
afterEach(() => client.end());

/** Rows about tables, each as `t`, of those that services have; `is_cut`: distributed. */
async function ask<R extends object>(question: string): Promise<R[]> {
  const { rows } = await client.query<R>(
    `with t as (
       select c.oid, n.nspname || '.' || c.relname as name, c.relispartition as is_partition, c.relkind,
         n.nspname || '.' || c.relname <> all ($1) as is_cut,
         exists (select from pg_attribute where attrelid = c.oid and attname = $2 and attnotnull
           and atttypid = 'uuid'::regtype and attgenerated = '') as has_column
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
     ) ${question}`,
    [exceptions, column],
  );
  return rows;
}

describe('what Citus asks of tables', () => {
  it('is a place for each: by organization, or for a reason in the list', async () => {
    const tables = await ask<{ name: string; is_cut: boolean; has_column: boolean }>(
      `select name, is_cut, has_column from t`,
    );
    expect(tables.length).toBeGreaterThan(40);
    expect(tables.filter((each) => each.is_cut && !each.has_column)).toEqual([]);
    const names = new Set(tables.map(({ name }) => name));
    expect(exceptions.filter((name) => !names.has(name))).toEqual([]);
    expect(new Set(exceptions).size).toBe(exceptions.length);
  });

  it('is the organization in every key of a distributed table', async () => {
    const keys = await ask<{ name: string; index: string; is_primary: boolean; has: boolean }>(
      `select t.name, i.indexrelid::regclass::text as index, i.indisprimary as is_primary,
         exists (select from pg_attribute a where a.attrelid = t.oid and a.attnum = any (i.indkey) and a.attname = $2) as has
       from t join pg_index i on i.indrelid = t.oid where t.is_cut and (i.indisunique or i.indisexclusion)`,
    );
    expect(keys.filter(({ has }) => !has)).toEqual([]);
    const keyed = new Set(keys.filter((key) => key.is_primary).map(({ name }) => name));
    const cut = await ask<{ name: string }>(`select name from t where is_cut`);
    expect(cut.map(({ name }) => name).filter((name) => !keyed.has(name))).toEqual(
      tablesWithoutKey,
    );
  });

  it('are foreign keys within the organization, or to what is on every node', async () => {
    const keys = await ask<{
      name: string;
      from: boolean;
      to: boolean;
      within: boolean;
      refers: string;
    }>(
      `select f.conname as name, t.is_cut as from, o.is_cut as to, o.name as refers, exists (
           select from unnest(f.conkey, f.confkey) as k(ours, theirs)
           join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.ours and a.attname = $2
           join pg_attribute b on b.attrelid = f.confrelid and b.attnum = k.theirs and b.attname = $2
         ) and f.confdeltype not in ('n', 'd') and f.confupdtype not in ('n', 'd') as within
       from pg_constraint f join t on t.oid = f.conrelid join t o on o.oid = f.confrelid where f.contype = 'f'`,
    );
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      if (key.to) expect(key).toMatchObject({ from: true, within: true });
      else expect(reference).toHaveProperty([key.refers]);
    }
  });

  it('is nothing that its tables may not have', async () => {
    const partitioned = `select from pg_partitioned_table where partrelid = t.oid`;
    const oddities = await ask<{ name: string; has: string }>(
      `select name, 'a trigger' as has from t join pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
       union all select name, 'a rule' from t join pg_rewrite r on r.ev_class = t.oid
       union all select name, 'a parent that is no partitioned table' from t join pg_inherits i on i.inhrelid = t.oid
         where not is_partition
       union all select name, 'partitions of partitions' from t where is_partition and exists (${partitioned})
       union all select name, 'a number that is too small for all nodes' from t
         join pg_attribute a on a.attrelid = t.oid and a.attidentity <> '' and a.atttypid <> 'bigint'::regtype
       union all select name, 'a default that depends on the node' from t
         join pg_attrdef d on d.adrelid = t.oid and pg_get_expr(d.adbin, d.adrelid) ~ 'nextval' where is_cut`,
    );
    expect(oddities).toEqual([]);
    const views = await ask<{ view: string; name: string }>(
      `select r.ev_class::regclass::text as view, t.name from pg_depend d
       join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
       join t on t.oid = d.refobjid and d.refclassid = 'pg_class'::regclass`,
    );
    expect(views.filter(({ name }) => name in local)).toEqual([]);
  });
});

/** What `distributeTables` needs of Citus, and some of what Citus refuses. It places nothing. */
const double = `
  create table public.pg_dist_partition (logicalrelid regclass primary key, partmethod "char");
  create function public.check_table(t regclass) returns void language plpgsql as $$ begin
    if exists (select from pg_policy where polrelid = t and pg_get_expr(polqual, polrelid) ~* 'select') then
      raise 'cannot create policy: subqueries are not supported (%)', t;
    end if;
    if exists (select from pg_constraint where conrelid = t and contype = 'f'
        and confrelid not in (select logicalrelid from public.pg_dist_partition)) then
      raise 'referenced table must be a distributed or a reference table (%)', t;
    end if;
  end $$;
  create function public.create_reference_table(t regclass) returns void language plpgsql as $$ begin
    perform public.check_table(t);
    insert into public.pg_dist_partition values (t, 'n');
  end $$;
  create function public.create_distributed_table(t regclass, c text, colocate_with text) returns void language plpgsql as $$ begin
    perform public.check_table(t);
    if colocate_with <> 'none' and not exists (select from public.pg_dist_partition
        where logicalrelid = colocate_with::regclass and partmethod = 'h') then
      raise 'relation % is not distributed', colocate_with;
    end if;
    insert into public.pg_dist_partition values (t, 'h');
  end $$;`;

describe('the script', () => {
  it('prints what it would run, and refuses to run it without the extension', async () => {
    const script = async (...args: string[]) => {
      const child = spawn(process.execPath, ['tools/distribute.mjs', ...args], {
        cwd: fileURLToPath(new URL('../../../../', import.meta.url)),
        env: { ...process.env, DATABASE_URL: url },
      });
      const [out, error, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'exit'),
      ]);
      return { out, error, code };
    };
    const printed = await script('--print');
    expect(printed).toMatchObject({ code: 0, error: '' });
    expect(printed.out).toMatch(/^select create_reference_table\('auth.organization'\);$/m);
    expect(printed.out).toMatch(
      /^select create_distributed_table\('events.log', 'organization_id', colocate_with => 'audit.entry'\);$/m,
    );
    expect(printed.out).not.toMatch(/log_\d{10}|email_code/);
    expect(await script()).toMatchObject({
      code: 1,
      out: '',
      error: expect.stringContaining('The extension citus is not in this database'),
    });
  });

  it('places every table once, in an order that foreign keys allow', async () => {
    await client.query(double);
    const own = { ...distribution, local: { ...local, 'public.pg_dist_partition': 'the double' } };
    const statements = await distributeTables(url, own);
    const { rows } = await client.query<{ name: string; placed: string }>(
      `select n.nspname || '.' || c.relname as name, case partmethod when 'n' then 'whole' else 'cut' end as placed
       from public.pg_dist_partition join pg_class c on c.oid = logicalrelid join pg_namespace n on n.oid = c.relnamespace`,
    );
    const placed = new Map(rows.map((row) => [row.name, row.placed]));
    const tables = await ask<{ name: string; is_cut: boolean }>(
      `select name, is_cut from t where not is_partition and name <> 'public.pg_dist_partition'`,
    );
    for (const { name, is_cut: isCut } of tables) {
      expect([name, placed.get(name)]).toEqual([
        name,
        isCut ? 'cut' : name in reference ? 'whole' : undefined,
      ]);
    }
    expect(statements.filter((each) => each.startsWith('select'))).toHaveLength(placed.size);
    expect(await distributeTables(url, own)).toEqual([]);
    // One that a later migration makes belongs beside the others, wherever its name is in the alphabet.
    await client.query(`create table audit.another (organization_id uuid primary key)`);
    expect(await distributeTables(url, own)).toEqual([
      `select create_distributed_table('audit.another', 'organization_id', colocate_with => 'audit.entry')`,
    ]);
  });

  it('leaves the policies what they were, without subqueries', async () => {
    await client.query(double);
    const own = { ...distribution, local: { ...local, 'public.pg_dist_partition': 'the double' } };
    await distributeTables(url, own);
    const [mine, other] = [crypto.randomUUID(), crypto.randomUUID()];
    await client.query(`insert into events.position values ('${mine}', 1), ('${other}', 2)`);
    await client.query(
      `begin; set local role spooled_event_writer; set local app.orgs = '{${mine}}'`,
    );
    expect((await client.query(`select last_seq from events.position`)).rows).toEqual([
      { last_seq: '1' },
    ]);
    await expect(
      client.query(`update events.position set organization_id = '${other}'`),
    ).rejects.toThrow(/row-level security/);
    await client.query('rollback');
  });

  it('says what it cannot place', async () => {
    await client.query(`create table public.stray (id int primary key)`);
    await expect(distributeTables(url, distribution, { isPrinted: true })).rejects.toThrow(
      'The table public.stray has no organization_id, and no list says where it belongs.',
    );
    await client.query(double);
    await client.query(
      `drop table public.stray; insert into public.pg_dist_partition values ('jobs.job', 'n')`,
    );
    const own = { ...distribution, local: { ...local, 'public.pg_dist_partition': 'the double' } };
    await expect(distributeTables(url, own)).rejects.toThrow(
      'The table jobs.job is a reference table already and should be a distributed one.',
    );
    await client.query(
      `create policy odd on jobs.job using (organization_id = (select organization_id from events.position limit 1))`,
    );
    await expect(distributeTables(url, own)).rejects.toThrow(
      /policy odd of jobs.job has a subquery/,
    );
  });
});
