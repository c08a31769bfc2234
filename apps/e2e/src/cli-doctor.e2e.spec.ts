/** `spooled doctor` before a database of several servers. */
import { freePort, postgresServer, promote, standbyOf } from '@spooled/testing';
import pg from 'pg';

import { SpooledUser } from './harness/command.js';

interface Check {
  readonly name: string;
  readonly status: string;
  readonly message: string;
}

it('tells which server takes writes, which do not, and never the password', async () => {
  const primary = await postgresServer({ isDurable: true });
  const port = Number(new URL(primary.url).port);
  const owner = new pg.Client({ connectionString: primary.url });
  await owner.connect();
  await owner.query(`create role seer superuser login password 'hidden-password'`);
  await owner.end();
  const standby = await standbyOf(primary, port);
  const standbyPort = Number(new URL(standby.url).port);
  const nowhere = await freePort();
  const user = new SpooledUser({ SPOOLED_URL: `http://127.0.0.1:${nowhere}` });
  user.secrets.add('hidden-password');
  const look = async (...ports: readonly number[]): Promise<Record<string, string>> => {
    const hosts = ports.map((each) => `127.0.0.1:${each}`).join(',');
    const DATABASE_URL = primary.url
      .replace(/@[^/]+/, `@${hosts}`)
      .replace(/\/\/[^@]+/, '//seer:hidden-password');
    const { stdout } = await user.run(['doctor', '--json'], { env: { DATABASE_URL } });
    const { checks } = JSON.parse(stdout) as { checks: readonly Check[] };
    return Object.fromEntries(
      checks
        .filter(({ name }) => name.startsWith('database'))
        .map(({ name, status, message }) => [name, `${status}: ${message}`]),
    );
  };
  const writes = expect.stringMatching(/^ok: PostgreSQL \S+ answers and takes writes$/);
  const takesNone = expect.stringMatching(/^ok: .* is a standby, which takes no writes$/);
  const role = expect.stringMatching(/^failed: seer is superuser/);
  const isAt = (each: number): string => `database 127.0.0.1:${each}`;

  expect(await look(nowhere, standbyPort, port)).toEqual({
    [isAt(nowhere)]: expect.stringMatching(/^failed: .*ECONNREFUSED/),
    [isAt(standbyPort)]: takesNone,
    [isAt(port)]: writes,
    'database role': role,
  });
  // One server behind two addresses is one server.
  expect(await look(port, port)).not.toHaveProperty('database writes');
  expect(await look(port)).toEqual({ database: writes, 'database role': role });
  expect(await look(standbyPort)).toMatchObject({
    database: takesNone,
    'database writes': 'failed: no server takes writes: promote a standby',
  });
  await promote(standby);
  expect(await look(port, standbyPort)).toMatchObject({
    [isAt(port)]: writes,
    [isAt(standbyPort)]: writes,
    'database writes': expect.stringMatching(/^failed: .* take writes: /),
  });
});
