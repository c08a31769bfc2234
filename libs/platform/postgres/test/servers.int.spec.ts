import { eventually, postgresServer, promote, standbyOf } from '@spooled/testing';
import { Database, runMigrations, sql } from '../src/index.js';
import { serversOf } from '../src/writing-client.js';

const role = 'spooled_test_servers';
const insert = sql('visits.insert', 'insert into visit default values');
const whereTo = sql('visits.where-to', 'select inet_server_port() as port');

describe('a URL of several servers', () => {
  it('is one of each, with all that is said of both', () => {
    expect(serversOf('postgresql://me:p%2Cw@one:1,two.example:2/db?sslmode=require')).toEqual([
      'postgresql://me:p%2Cw@one:1/db?sslmode=require',
      'postgresql://me:p%2Cw@two.example:2/db?sslmode=require',
    ]);
    for (const url of ['postgres://one/db?a=1,2', 'postgresql:///db?host=/tmp', 'nonsense']) {
      expect(serversOf(url)).toEqual([url]);
    }
  });

  it('leads to the one that takes writes, also after that is another', async () => {
    const primary = await postgresServer({ isDurable: true });
    const [primaryPort, url] = [Number(new URL(primary.url).port), primary.urlOf('postgres')];
    const standby = await standbyOf(primary, primaryPort);
    const standbyPort = Number(new URL(standby.url).port);
    // The standby first.
    const both = url.replace(/@(.*?)\//, `@127.0.0.1:${standbyPort},$1/`);
    const up = `
      create role ${role} nologin;
      create table visit (id int generated always as identity);
      grant insert on visit to ${role};`;
    await runMigrations(both, [{ name: '0001-visits', up }]);
    const database = new Database({
      url: both,
      role,
      maxConnections: 3,
      applicationName: 'test-servers',
    });
    const visit = (): Promise<{ port: number }[]> =>
      database.transaction([], async (transaction) => {
        await transaction.query(insert);
        return transaction.query<{ port: number }>(whereTo);
      });
    try {
      await eventually(async () => expect(await visit()).toEqual([{ port: primaryPort }]));
      await primary.kill();
      // Neither: one is gone, the other takes no writes yet.
      for (const _ of [1, 2, 3]) {
        await expect(visit()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      }
      await promote(standby);
      await eventually(async () => expect(await visit()).toEqual([{ port: standbyPort }]));
    } finally {
      await database.close();
    }
  });
});
