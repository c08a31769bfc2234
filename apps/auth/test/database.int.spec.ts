import { auditMigrations } from '@spooled/audit';
import { Database, runMigrations, sql } from '@spooled/postgres';
import { Readiness } from '@spooled/runtime';
import { eventually, postgresServer, type PostgresServer } from '@spooled/testing';
import pg from 'pg';
import { migrations } from '../src/migrations/index.js';
import { ADMIN_KEY, TestService } from './setup.js';

let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await postgresServer({ isDurable: true });
  await administrate(`create role owner login createrole password 'owner'`);
  await administrate(`create database owned owner owner`);
});

afterAll(async () => {
  await postgres.stop('immediate');
});

async function administrate(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.urlOf('postgres') });
  await client.connect();
  await client.query(statement);
  await client.end();
}

/** The database as its owner sees it, who is no superuser. */
function ownedUrl(): string {
  const url = new URL(postgres.urlOf('owned'));
  url.username = 'owner';
  url.password = 'owner';
  return url.toString();
}

describe('a database of an owner that is no superuser', () => {
  it('is migrated and served, is waited for while it is away, and taken up again when it is back', async () => {
    await runMigrations(ownedUrl(), [...auditMigrations, ...migrations]);
    const drop = () => Promise.resolve();
    const service = await TestService.on({ url: ownedUrl(), drop });
    try {
      await service.boot();
      const { key } = await service.organization();
      const login = () => service.call('POST', '/auth/login', { body: { api_key: key } });
      expect((await login()).status).toBe(200);
      const isReady = () => service.context.get(Readiness).isReady();
      expect(await isReady()).toBe(true);

      await postgres.stop('immediate');
      const refused = await login();
      expect(refused.status).toBe(503);
      expect(refused.body).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      await eventually(async () => expect(await isReady()).toBe(false));
      expect((await service.call('GET', '/admin/plans')).status).toBe(401);

      await postgres.start();
      await eventually(async () => expect(await isReady()).toBe(true));
      expect((await login()).status).toBe(200);

      // A start while it is away: up at once, at work as soon as it comes.
      await service.shutDown();
      await postgres.stop('immediate');
      await service.boot();
      expect((await login()).status).toBe(503);
      await postgres.start();
      const read = () => service.call('GET', '/organizations', { credential: key });
      await eventually(async () => expect((await read()).status).toBe(200));
      expect((await login()).status).toBe(200);
    } finally {
      await service.stop();
    }
  });

  it('lets an organization go with all that refers to it, though the owner is bound by row-level security', async () => {
    const service = await TestService.on({ url: ownedUrl(), drop: () => Promise.resolve() });
    try {
      await service.boot();
      const { id, key } = await service.organization();
      await service.login(key);
      await service.call('POST', '/auth/tickets', { credential: key });
      const path = `/admin/organizations/${id}?hard_delete=true`;
      expect((await service.call('DELETE', path, { adminKey: ADMIN_KEY })).status).toBe(204);
      for (const table of ['api_key', 'session', 'ticket']) {
        const rows = await service.context
          .get(Database)
          .maintenance((tx) =>
            tx.query(sql(`test.${table}`, `select from auth.${table} where organization_id = $1`), [
              id,
            ]),
          );
        expect([table, rows.length]).toEqual([table, 0]);
      }
    } finally {
      await service.stop();
    }
  });

  it('can be migrated again without a change', async () => {
    await runMigrations(ownedUrl(), [...auditMigrations, ...migrations]);
  });
});
