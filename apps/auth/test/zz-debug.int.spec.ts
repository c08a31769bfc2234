import { Database, sql } from '@spooled/postgres';
import { postgresServer } from '@spooled/testing';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const proto = pg.Client.prototype as any;
const orig = proto._handleErrorEvent;
proto._handleErrorEvent = function (e: any) {
  process.stderr.write(
    'ERR ' +
      this.connectionParameters.database +
      ' ' +
      this.connectionParameters.application_name +
      ' ' +
      this.listenerCount('error') +
      ' ' +
      this._connecting +
      ' ' +
      this._ending +
      '\n',
  );
  return orig.call(this, e);
};
it('debug', async () => {
  const postgres = await postgresServer();
  const c = new pg.Client({ connectionString: postgres.urlOf('postgres') });
  await c.connect();
  c.on('error', () => undefined);
  await c.query('create role r');
  await c.query('create role r_maintenance');
  await c.query('create database owned');
  await c.end();
  const db = new Database({
    url: postgres.urlOf('owned'),
    role: 'r',
    maxConnections: 4,
    applicationName: 'x',
  });
  const q = async () => {
    try {
      return JSON.stringify(await db.query([], sql('t', 'select 1 as a')));
    } catch (e) {
      return String((e as Error).cause ?? e);
    }
  };
  console.log('up', await q(), await db.ping());
  await postgres.stop('immediate');
  console.log('down', await q(), await q(), await db.ping());
  await postgres.start();
  for (let i = 0; i < 5; i++) {
    console.log('again', await q(), await db.ping());
    await delay(500);
  }
  await db.close();
  await postgres.stop('immediate');
});
