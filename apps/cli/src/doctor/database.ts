import type { Check } from './check.js';
import { connected, lookAtServers } from './database-servers.js';

const ROLES = `
  select rolname as name, rolsuper as is_super, rolbypassrls as bypasses
  from pg_roles
  where rolname = current_user or rolname like 'spooled\\_%'
  order by rolname <> current_user, rolname`;

/** Partitions are reached through their table, unless somebody may read them directly. */
const TENANT_TABLES = `
  select n.nspname || '.' || c.relname as name,
         c.relrowsecurity and c.relforcerowsecurity as is_secured
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid
  where c.relkind in ('r', 'p')
    and a.attname = 'organization_id' and not a.attisdropped
    and not (c.relispartition and c.relacl is null)
    and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
  order by 1`;

interface Role {
  readonly name: string;
  readonly is_super: boolean;
  readonly bypasses: boolean;
}

interface TenantTable {
  readonly name: string;
  readonly is_secured: boolean;
}

/** Which servers there are, and whether the database keeps tenants apart whatever a statement forgets. */
export async function databaseChecks(given: string): Promise<Check[]> {
  const { checks, url } = await lookAtServers(given);
  if (url === undefined) return [...checks];
  return [
    ...checks,
    ...(await connected(url, async (client) => [
      roleCheck((await client.query<Role>(ROLES)).rows),
      tableCheck((await client.query<TenantTable>(TENANT_TABLES)).rows),
    ])),
  ];
}

function roleCheck(roles: readonly Role[]): Check {
  const name = 'database role';
  const free = roles.filter(({ is_super, bypasses }) => is_super || bypasses);
  if (free.length === 0) {
    return { name, status: 'ok', message: `${roles[0]?.name} is bound by row level security` };
  }
  const told = free.map(
    (role) => `${role.name} ${role.is_super ? 'is superuser' : 'has BYPASSRLS'}`,
  );
  return {
    name,
    status: 'failed',
    message: `${told.join(', ')}: row level security does not bind it`,
  };
}

function tableCheck(tables: readonly TenantTable[]): Check {
  const name = 'row level security';
  const open = tables.filter(({ is_secured }) => !is_secured).map((table) => table.name);
  if (tables.length === 0) {
    return { name, status: 'failed', message: 'there are no tables: it is not migrated' };
  }
  if (open.length === 0) {
    return { name, status: 'ok', message: `forced on all ${tables.length} tables of tenants` };
  }
  return {
    name,
    status: 'failed',
    message: `not forced on ${open.join(', ')}`,
    details: { tables: open },
  };
}
