import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  eventually,
  onCleanUp,
  spawnProcess,
  stressStartStop,
  type SpawnedProcess,
} from '@spooled/testing';
import pg from 'pg';

import { claimDataDirectory } from './data-directory.js';
import { startInfrastructure, type Infrastructure } from './infrastructure.js';
import { assertPortFree } from './port-check.js';
import { Supervisor } from './supervisor.js';

function setup(): { directory: string; said: string[]; start(): Promise<Infrastructure> } {
  const directory = mkdtempSync(join(tmpdir(), 'spooled-infrastructure-'));
  chmodSync(directory, 0o755);
  onCleanUp(() => rmSync(directory, { recursive: true, force: true }));
  const said: string[] = [];
  const log = { info: (line: string) => said.push(line), warn: (line: string) => said.push(line) };
  return {
    directory,
    said,
    async start() {
      const started = await startInfrastructure({ dataDirectory: directory, log });
      onCleanUp(() => started.stop());
      return started;
    },
  };
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  return client
    .query(text)
    .then((result) => result.rows as unknown[])
    .finally(() => client.end());
}

const pidIn = (path: string): number => Number(readFileSync(path, 'utf8').split('\n')[0]);

/** `npm start` as far as this folder is concerned, in a process of its own that can be killed. */
function startElsewhere(directory: string): Promise<SpawnedProcess> {
  const module = new URL('../../dist/infrastructure/infrastructure.js', import.meta.url).href;
  return spawnProcess({
    command: process.execPath,
    args: [
      '--input-type=module',
      '-e',
      `const { startInfrastructure } = await import('${module}');
       const { databaseUrl } = await startInfrastructure({ dataDirectory: '${directory}', log: console });
       console.log('up ' + databaseUrl);`,
    ],
    readyLine: /up postgresql/,
  });
}

describe('startInfrastructure', () => {
  it('keeps data and password between runs', async () => {
    const { directory, start } = setup();
    const first = await start();
    await query(first.databaseUrl, 'create table kept as select 42 as answer');
    await first.stop();
    expect(statSync(join(directory, 'postgres.password')).mode & 0o777).toBe(0o600);
    const second = await start();
    expect(await query(second.databaseUrl, 'select * from kept')).toEqual([{ answer: 42 }]);
    expect(await query(second.databaseUrl, 'show synchronous_commit')).toEqual([
      { synchronous_commit: 'on' },
    ]);
    await second.stop();
  });

  it('starts a server again that dies', async () => {
    const { directory, said, start } = setup();
    const { databaseUrl } = await start();
    process.kill(pidIn(join(directory, 'nats/nats-server.pid')), 'SIGKILL');
    process.kill(pidIn(join(directory, 'postgres/postmaster.pid')), 'SIGKILL');
    await eventually(() => query(databaseUrl, 'select 1'));
    await eventually(() =>
      expect(said).toEqual(expect.arrayContaining(['PostgreSQL is back', 'nats-server is back'])),
    );
  });

  it('refuses a directory that another process runs on', async () => {
    const { directory, start } = setup();
    const other = await startElsewhere(directory);
    await expect(start()).rejects.toThrow(
      `Spooled already runs on ${directory} (process ${other.pid})`,
    );
    await other.stop();
  });

  it('takes over after kill -9, with every committed row', async () => {
    const { directory, start } = setup();
    const killed = await startElsewhere(directory);
    const [, url = ''] = await killed.waitForLine(/up (\S+)/);
    await query(url, 'create table committed as select 7 as row');
    killed.kill('SIGKILL');
    const { databaseUrl } = await start();
    expect(await query(databaseUrl, 'select * from committed')).toEqual([{ row: 7 }]);
  });

  it('uses what it is given and touches no directory', async () => {
    const given = { databaseUrl: 'postgresql://elsewhere/db', natsUrl: 'nats://elsewhere' };
    const started = await startInfrastructure({
      ...given,
      dataDirectory: '/nonexistent/spooled',
      log: console,
    });
    expect(started).toMatchObject(given);
  });
});

describe('Supervisor', () => {
  it('survives rapid starts and stops of a server that keeps dying', async () => {
    let running = 0;
    let die = (): void => undefined;
    let exited = Promise.resolve<undefined>(undefined);
    const server = {
      async start() {
        await new Promise(setImmediate);
        running = 1;
        exited = new Promise((resolve) => (die = () => resolve(undefined)));
        setImmediate(() => void this.stop());
      },
      async stop() {
        running = 0;
        die();
      },
      get exited() {
        return exited;
      },
    };
    const silent = { info: () => undefined, warn: () => undefined };
    await stressStartStop(new Supervisor('a server', server, silent));
    expect(running).toBe(0);
  });
});

describe('claimDataDirectory', () => {
  it('is free again after its release', async () => {
    const { directory } = setup();
    const first = await claimDataDirectory(directory);
    await expect(claimDataDirectory(directory)).rejects.toThrow('already runs');
    await first.release();
    await (await claimDataDirectory(directory)).release();
  });
});

describe('assertPortFree', () => {
  it('tells in one sentence that the port is taken and how to choose another', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(assertPortFree(port)).rejects.toThrow(
      `Port ${port} is taken: another program, perhaps another Spooled, listens there. ` +
        `Stop it, or choose another: PORT=${port + 1} npm start`,
    );
    await new Promise((resolve) => server.close(resolve));
    await assertPortFree(port);
  });
});
