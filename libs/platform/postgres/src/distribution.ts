import pg from 'pg';

/** How tables are placed on the nodes of a Citus cluster. Those that are not named are distributed by `column`. */
export interface Distribution {
  /** Of the rows that belong together, on one node: the same in every table. */
  readonly column: string;
  /** Tables that are whole on every node, and why. */
  readonly reference: Readonly<Record<string, string>>;
  /** Tables that stay on the node that is asked, and why. */
  readonly local: Readonly<Record<string, string>>;
}

interface Table {
  readonly oid: string;
  readonly name: string;
  readonly has_column: boolean;
  readonly refers_to: readonly string[];
  /** How it is placed already, `distributed` or `reference`; null: not at all. */
  readonly placed: string | null;
}

interface Policy {
  readonly name: string;
  readonly table: string;
  readonly clause: 'using' | 'with check';
  readonly condition: string;
}

/**
 * Places the tables of a migrated database; answers the statements. What is placed already is left as it is, so it is run
 * again after migrations that make tables. With `isPrinted` nothing is changed and the extension need not be there.
 * @throws Error when the extension is absent, when `url` is of a role whom policies hide rows from, and when a table
 * cannot be placed as it should be.
 */
export async function distributeTables(
  url: string,
  distribution: Distribution,
  { isPrinted = false } = {},
): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'spooled-distribute' });
  await client.connect();
  try {
    const isCluster = await ask(
      client,
      `select to_regclass('pg_dist_partition') is not null as answer`,
    );
    if (!isPrinted) await refuseUnlessReady(client, isCluster);
    const statements = [
      ...(await settingsOf(client)),
      ...(await policiesOf(client)),
      ...placements(await tablesOf(client, distribution.column, isCluster), distribution),
    ];
    // One by one: a cluster takes no second table with foreign keys in the transaction of the first.
    if (!isPrinted) for (const statement of statements) await client.query(statement);
    return statements;
  } finally {
    await client.end();
  }
}

async function refuseUnlessReady(client: pg.Client, isCluster: boolean): Promise<void> {
  if (!isCluster)
    throw new Error(
      'The extension citus is not in this database; --print shows what would be run.',
    );
  // The rows of a table are copied by a query, from which a policy would hide them all.
  const seesAll = `select rolsuper or rolbypassrls as answer from pg_roles where rolname = current_user`;
  if (!(await ask(client, seesAll)))
    throw new Error(
      'Tables have to be distributed by a superuser: policies hide rows from others.',
    );
}

async function ask(client: pg.Client, question: string): Promise<boolean> {
  const { rows } = await client.query<{ answer: boolean }>(question);
  return rows[0]?.answer === true;
}

/** Nodes must hear for whom a transaction works, or their policies refuse it. */
async function settingsOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ statement: string }>(
    `select format('alter database %I set citus.propagate_set_commands = ''local''', current_database()) as statement
     where not exists (select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
       where d.datname = current_database() and 'citus.propagate_set_commands=local' = any (s.setconfig))`,
  );
  return rows.map(({ statement }) => statement);
}

/** Policies ask for their organizations in a subquery, so that it is done once and not for each row. Citus takes none. */
async function policiesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<Policy>(
    `select quote_ident(polname) as name, polrelid::regclass::text as table, clause, condition
     from pg_policy cross join lateral (values
       ('using', pg_get_expr(polqual, polrelid)), ('with check', pg_get_expr(polwithcheck, polrelid))) c(clause, condition)
     where condition ~* '\\mselect\\M' order by 2, 1, 3`,
  );
  return rows.map(({ name, table, clause, condition }) => {
    const plain = condition.replaceAll(
      /\( SELECT (\(current_setting\('[\w.]+'::text\)\)::uuid\[\]) AS current_setting\)::uuid\[\]/g,
      '$1',
    );
    if (/\bselect\b/i.test(plain))
      throw new Error(`The policy ${name} of ${table} has a subquery, which Citus does not take.`);
    return `alter policy ${name} on ${table} ${clause} ${plain}`;
  });
}

async function tablesOf(client: pg.Client, column: string, isCluster: boolean): Promise<Table[]> {
  const placed = `(select case p.partmethod when 'n' then 'reference' else 'distributed' end
    from pg_dist_partition p where p.logicalrelid = c.oid)`;
  const { rows } = await client.query<Table>(
    `select c.oid::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
       exists (select from pg_attribute where attrelid = c.oid and attname = $1 and not attisdropped) as has_column,
       array(select confrelid::text from pg_constraint
         where conrelid = c.oid and contype = 'f' and confrelid <> c.oid) as refers_to,
       ${isCluster ? placed : 'null'} as placed
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and not c.relispartition
       and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
       and not exists (select from pg_depend d
         where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
     order by 2`,
    [column],
  );
  return rows;
}

/** What tables refer to comes before them; reference tables before all. */
function placements(
  tables: readonly Table[],
  { column, reference, local }: Distribution,
): string[] {
  const here = new Set(tables.map(({ name }) => name));
  for (const name of [...Object.keys(reference), ...Object.keys(local)])
    if (!here.has(name)) throw new Error(`There is no table ${name}.`);
  const whole = tables.filter(({ name }) => name in reference);
  const cut = tables.filter(({ name }) => !(name in reference) && !(name in local));
  for (const { name, has_column: hasColumn } of cut)
    if (!hasColumn)
      throw new Error(`The table ${name} has no ${column}, and no list says where it belongs.`);
  const ordered = inOrder(cut);
  // What was distributed before keeps the new tables beside it.
  const anchor = ordered.find(({ placed }) => placed === 'distributed') ?? ordered[0];
  return [
    ...inOrder(whole).flatMap((table) =>
      place(table, 'reference', `create_reference_table('${table.name}')`),
    ),
    ...ordered.flatMap((table) => {
      const beside = table === anchor ? 'none' : anchor?.name;
      const call = `create_distributed_table('${table.name}', '${column}', colocate_with => '${beside}')`;
      return place(table, 'distributed', call);
    }),
  ];
}

function place({ name, placed }: Table, as: string, call: string): string[] {
  if (placed === as) return [];
  if (placed === null) return [`select ${call}`];
  throw new Error(`The table ${name} is a ${placed} table already and should be a ${as} one.`);
}

function inOrder(tables: readonly Table[]): Table[] {
  const ordered = new Set<Table>();
  const visit = (table: Table): void => {
    for (const other of tables) if (table.refers_to.includes(other.oid)) visit(other);
    ordered.add(table);
  };
  tables.forEach(visit);
  return [...ordered];
}
