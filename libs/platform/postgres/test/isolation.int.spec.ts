import { testDatabase } from '@spooled/testing';
import pg from 'pg';

let client: pg.Client;
beforeAll(async () => {
  const { url } = await testDatabase();
  client = new pg.Client({ connectionString: url });
  await client.connect();
});
afterAll(() => client.end());

interface Key {
  readonly table: string;
  readonly index: string;
  readonly is_primary: boolean;
  readonly has_organization: boolean;
}

/** Keys that hold over all organizations, and why. */
const globalKeys: Readonly<Record<string, string>> = {
  worker_owner_pkey:
    'a lease names only the worker, whose id clients choose: this narrow table alone knows whose it is',
  api_key_key_hash_key: 'a credential says whose it is only once it is found',
};

/** Written once, summed and deleted; nothing ever looks for one row of it. */
const tablesWithoutKey = ['jobs.counter_delta'];

/** Tables without an organization, and why they may stay in one place. */
const tablesOfNoOrganization: Readonly<Record<string, string>> = {
  'auth.email_code': 'for addresses that belong to nobody yet; rows live for minutes',
  'auth.key_pepper': 'one row, of the installation',
  'auth.organization': 'the directory: one narrow row for each organization, whose id is its key',
  'auth.stripe_event': 'what was heard of payment, until it is old; rows live for days',
  'auth.stripe_subscription':
    'one row for each paying customer, before it is known which organization that is',
  'events.epoch': 'one row, of the installation',
  spooled_migrations: 'what the schema is',
};

const schemas = ['jobs', 'events', 'workers', 'schedules', 'webhooks', 'audit', 'auth'];

interface Table {
  readonly name: string;
  readonly is_guarded: boolean;
  readonly is_forced: boolean;
  readonly is_partition: boolean;
  readonly owner: string;
  readonly granted_to: string[];
}

/** Tables of all rooms that name an organization, as a deployment has them. */
async function tenantTables(): Promise<Table[]> {
  const { rows } = await client.query<Table>(
    `select n.nspname || '.' || c.relname as name, c.relrowsecurity as is_guarded,
       c.relforcerowsecurity as is_forced, c.relispartition as is_partition,
       pg_get_userbyid(c.relowner)::text as owner,
       array(select distinct pg_get_userbyid(a.grantee)::text from aclexplode(c.relacl) a
         where a.grantee <> c.relowner) as granted_to
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
     where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')`,
  );
  return rows;
}

describe('the migrated database', () => {
  it('guards every table that names an organization', async () => {
    const tables = await tenantTables();
    const schemas = new Set(tables.map(({ name }) => name.split('.')[0]));
    expect([...schemas].sort()).toEqual([
      'audit',
      'auth',
      'events',
      'jobs',
      'schedules',
      'webhooks',
      'workers',
    ]);
    for (const table of tables) {
      expect(table).toMatchObject({ is_guarded: true });
      // A partition without grants is reached through its parent alone, whose policies hold.
      if (table.is_partition) expect(table).toMatchObject({ granted_to: [] });
      else expect(table).toMatchObject({ is_forced: true });
    }
  });

  it('lets no service own a table, bypass a policy or log in', async () => {
    const { rows: roles } = await client.query<Record<string, unknown>>(
      `select rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole from pg_roles where rolname like 'spooled\\_%'`,
    );
    expect(roles.length).toBeGreaterThanOrEqual(8);
    for (const role of roles) {
      expect(role).toMatchObject({
        rolsuper: false,
        rolbypassrls: false,
        rolcanlogin: false,
        rolcreaterole: false,
      });
    }
    const { rows: owned } = await client.query(
      `select c.relname from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname like 'spooled\\_%'`,
    );
    expect(owned).toEqual([]);
  });

  it('grants each service its own schema, the event log and the audit trail only', async () => {
    const { rows } = await client.query<{ role: string; schema: string }>(
      `select distinct r.rolname::text as role, n.nspname::text as schema
       from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
       join pg_roles r on r.oid = a.grantee
       where r.rolname like 'spooled\\_%' and c.relkind in ('r', 'p', 'v')`,
    );
    const schemaOf: Record<string, string> = {
      spooled_auth: 'auth',
      spooled_jobs: 'jobs',
      spooled_workers: 'workers',
      spooled_schedules: 'schedules',
      spooled_webhooks: 'webhooks',
      spooled_events: 'events',
      spooled_event_writer: 'events',
      spooled_event_reader: 'events',
      spooled_audit_writer: 'audit',
      spooled_audit_reader: 'audit',
    };
    for (const { role, schema } of rows) {
      if (role === 'spooled_test_room') continue;
      expect({ role, schema }).toEqual({
        role,
        schema: schemaOf[role.replace('_maintenance', '')],
      });
    }
  });

  it('can be distributed by organization: it is in every key of a tenant table', async () => {
    const { rows } = await client.query<Key>(
      `select n.nspname || '.' || c.relname as table, x.relname::text as index, i.indisprimary as is_primary,
         'organization_id' = any (array(select a.attname from pg_attribute a
           where a.attrelid = i.indrelid and a.attnum = any (i.indkey))) as has_organization
       from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
       join pg_class x on x.oid = i.indexrelid
       join pg_attribute o on o.attrelid = c.oid and o.attname = 'organization_id'
       where i.indisunique and n.nspname = any ($1)`,
      [schemas],
    );
    const keyed = new Set(rows.filter((key) => key.is_primary).map((key) => key.table));
    const unkeyed = (await tenantTables()).map(({ name }) => name).filter((t) => !keyed.has(t));
    expect(unkeyed).toEqual(tablesWithoutKey);
    const global = rows.filter((key) => !key.has_organization).map(({ index }) => index);
    expect(global.sort()).toEqual(Object.keys(globalKeys).sort());
  });

  it('refers from tenant table to tenant table within the organization', async () => {
    const { rows } = await client.query<{ name: string; is_within: boolean }>(
      `select f.conrelid::regclass || '.' || f.conname as name,
         exists (select from unnest(f.conkey, f.confkey) as k(ours, theirs)
           join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.ours and a.attname = 'organization_id'
           join pg_attribute b on b.attrelid = f.confrelid and b.attnum = k.theirs and b.attname = 'organization_id')
         as is_within
       from pg_constraint f
       where f.contype = 'f' and exists (
         select from pg_attribute a where a.attrelid = f.conrelid and a.attname = 'organization_id')
       and exists (select from pg_attribute a where a.attrelid = f.confrelid and a.attname = 'organization_id')`,
    );
    expect(rows.filter(({ is_within }) => !is_within)).toEqual([]);
  });

  it('has few tables without an organization, each for a reason', async () => {
    const { rows } = await client.query<{ name: string }>(
      `select c.oid::regclass::text as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
         and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'organization_id')`,
    );
    expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(tablesOfNoOrganization).sort());
  });
});
