/** What a release may rely on in the database, and what a migration takes from it. */
import type pg from 'pg';

/** What holds in a database, one sentence each. */
export interface Schema {
  /** Tables and views, as `schema.name`. */
  readonly relations: ReadonlySet<string>;
  /** What statements use: it must not go. */
  readonly promises: ReadonlySet<string>;
  /** What writers must keep. */
  readonly demands: readonly Demand[];
}

interface Demand {
  readonly relation: string;
  /** Those it is about; null of a new column which whoever does not know it cannot fill. */
  readonly columns: readonly string[] | null;
  readonly says: string;
}

const ours = `n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'public')`;
/** Partitions come and go by themselves. */
const relation = `c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition and ${ours}`;

const relations = `
  select n.nspname || '.' || c.relname as relation
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${relation}`;

const promises = `
  select format('the column %s.%s.%s of type %s', n.nspname, c.relname, a.attname,
    format_type(a.atttypid, a.atttypmod)) as says
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where a.attnum > 0 and not a.attisdropped and ${relation}
  union all
  select format('the default of %s.%s.%s', n.nspname, c.relname, a.attname)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where a.attnum > 0 and not a.attisdropped and a.attnotnull
    and (a.atthasdef or a.attidentity <> '') and ${relation}
  union all
  -- Named in "on conflict".
  select format('the uniqueness in %s.%s of %s', n.nspname, c.relname,
    substring(pg_get_indexdef(i.indexrelid) from 'USING .*'))
  from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
  where i.indisunique and ${relation}
  union all
  select format('the function %s.%s(%s) returning %s', n.nspname, p.proname,
    pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid))
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${ours}
  union all
  select format('the right of %s to %s %s.%s', r.rolname, acl.privilege_type, n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) acl
    join pg_roles r on r.oid = acl.grantee
  where ${relation}
  union all
  select format('the right of %s to %s %s.%s', r.rolname, acl.privilege_type, n.nspname, p.proname)
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace, aclexplode(p.proacl) acl
    join pg_roles r on r.oid = acl.grantee
  where ${ours}`;

const demands = `
  select n.nspname || '.' || c.relname as relation, array[a.attname::text] as columns,
    'a value in ' || a.attname as says
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where a.attnum > 0 and not a.attisdropped and a.attnotnull and ${relation}
  union all
  select n.nspname || '.' || c.relname, null, 'a value in ' || a.attname || ', which has no default'
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
    and a.attidentity = '' and ${relation}
  union all
  select n.nspname || '.' || c.relname,
    array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any (k.conkey)),
    pg_get_constraintdef(k.oid)
  from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
  where k.contype in ('c', 'f', 'x') and ${relation}
  union all
  select n.nspname || '.' || c.relname,
    array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any (i.indkey)),
    'uniqueness ' || substring(pg_get_indexdef(i.indexrelid) from 'USING .*')
  from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
  where i.indisunique and ${relation}`;

export async function readSchema(client: pg.Client): Promise<Schema> {
  const found = await client.query<{ relation: string }>(relations);
  const relied = await client.query<{ says: string }>(promises);
  const demanded = await client.query<Demand>(demands);
  return {
    relations: new Set(found.rows.map((row) => row.relation)),
    promises: new Set(relied.rows.map(({ says }) => says)),
    demands: demanded.rows,
  };
}

/**
 * Why a release that knows the schema `before` would not run on `after`, as sentences; none when everything was only added.
 * It takes a wider type or check for a narrower one: they deserve a look, too.
 */
export function breaksBetween(before: Schema, after: Schema): string[] {
  const gone = [...before.promises].filter((promise) => !after.promises.has(promise));
  const known = new Set(before.demands.map(sentence));
  const columns = new Set(
    [...before.promises].flatMap((promise) => /^the column (\S+)/.exec(promise)?.[1] ?? []),
  );
  const isNew = (demand: Demand): boolean =>
    before.relations.has(demand.relation) &&
    !known.has(sentence(demand)) &&
    (demand.columns === null ||
      demand.columns.some((column) => columns.has(`${demand.relation}.${column}`)));
  return [
    ...[...before.relations]
      .filter((each) => !after.relations.has(each))
      .map((each) => `${each} is gone`),
    ...gone.map((promise) => `${promise} is gone`),
    ...after.demands.filter(isNew).map((demand) => `new: ${sentence(demand)}`),
  ];
}

function sentence({ relation, says }: Demand): string {
  return `${relation} demands ${says}`;
}
