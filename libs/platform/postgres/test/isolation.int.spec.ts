import { testDatabase } from '@spooled/testing';
import pg from 'pg';

let client: pg.Client;
beforeAll(async () => {
  const { url } = await testDatabase();
  client = new pg.Client({ connectionString: url });
  await client.connect();
});
afterAll(() => client.end());

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
});
