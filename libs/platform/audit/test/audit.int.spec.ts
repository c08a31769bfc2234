import { sql, Database, runMigrations, sqlState } from '@spooled/postgres';
import { testDatabase, type TestDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import {
  adminActor,
  auditMigrations,
  keyActor,
  recordAction,
  systemActor,
  type AuditEntry,
} from '../src/index.js';

/** A room that writes entries, and the one that shows them. */
const roles = `
  do $$ begin create role spooled_test_auditor nologin; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin create role spooled_test_auditor_maintenance nologin; exception when duplicate_object or unique_violation then null; end $$;
  grant spooled_audit_writer, spooled_audit_reader to spooled_test_auditor;`;
const all = sql('test.entries', 'select * from audit.entry order by id');

let server: TestDatabase;
let owner: pg.Client;
let database: Database;

beforeAll(async () => {
  server = await testDatabase({ isEmpty: true });
  await runMigrations(server.url, auditMigrations);
  owner = new pg.Client({ connectionString: server.url });
  await owner.connect();
  await owner.query(roles);
  database = new Database({
    url: server.url,
    role: 'spooled_test_auditor',
    maxConnections: 2,
    applicationName: 'test',
  });
});

afterAll(async () => {
  await database.close();
  await owner.end();
  await server.drop();
});

function entryOf(organizationId: string, over: Partial<AuditEntry> = {}): AuditEntry {
  return { organizationId, actor: adminActor, action: 'organization.updated', ...over };
}

async function write(organizationId: string, entry: AuditEntry, fails = false): Promise<void> {
  await database.transaction([organizationId], async (transaction) => {
    recordAction(transaction, entry);
    if (fails) throw new Error('changed its mind');
  });
}

function entriesOf(organizationId: string) {
  return database.query<Record<string, unknown>>([organizationId], all);
}

describe('an action', () => {
  it('is written down with who did it and to what', async () => {
    const id = randomUUID();
    const apiKeyId = randomUUID();
    const details = { queues: ['emails'] };
    await write(id, entryOf(id, { actor: keyActor({ apiKeyId }), action: 'key.revoked' }));
    await write(id, entryOf(id, { actor: adminActor, target: 'emails', details }));
    await write(id, entryOf(id, { actor: systemActor, action: 'plan.changed' }));
    expect(await entriesOf(id)).toMatchObject([
      { actor_type: 'api_key', actor_id: apiKeyId, action: 'key.revoked', target: null },
      { actor_type: 'admin', actor_id: null, target: 'emails', details },
      { actor_type: 'system', actor_id: null, action: 'plan.changed', details: {} },
    ]);
  });

  it('that did not happen is not written down', async () => {
    const id = randomUUID();
    await expect(write(id, entryOf(id), true)).rejects.toThrow('changed its mind');
    expect(await entriesOf(id)).toEqual([]);
  });

  it('does not happen when it cannot be written down', async () => {
    const id = randomUUID();
    await expect(write(id, entryOf(id, { target: 'x'.repeat(256) }))).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
    });
    expect(await entriesOf(id)).toEqual([]);
  });
});

describe('the trail', () => {
  it.each([
    'update audit.entry set action = action',
    'delete from audit.entry',
    'truncate audit.entry',
  ])('refuses a room that tries: %s', async (text) => {
    const id = randomUUID();
    await write(id, entryOf(id));
    const attempt = database.query([id], sql(`test.${randomUUID()}`, text));
    expect(sqlState(await attempt.catch((error: unknown) => error))).toBe('42501');
    expect(await entriesOf(id)).toHaveLength(1);
  });

  it('shows an organization its own entries only, and takes none for another', async () => {
    const [own, other] = [randomUUID(), randomUUID()];
    await write(own, entryOf(own));
    await write(other, entryOf(other));
    expect(await entriesOf(own)).toMatchObject([{ organization_id: own }]);
    const attempt = write(own, entryOf(other));
    expect(sqlState(await attempt.catch((error: unknown) => error))).toBe('42501');
  });
});
