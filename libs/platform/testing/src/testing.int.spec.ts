import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import pg from 'pg';
import { WebSocketServer } from 'ws';

import {
  collectSse,
  eventually,
  natsServer,
  onCleanUp,
  postgresServer,
  sharedNatsUrl,
  Signal,
  spawnProcess,
  stressStartStop,
  testDatabase,
  WsClient,
} from './index.js';
import { withClient } from './shared-servers.js';

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onCleanUp(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('the shared servers', () => {
  it('give each caller a database of its own', async () => {
    const [first, second] = await Promise.all([
      testDatabase({ isEmpty: true }),
      testDatabase({ isEmpty: true }),
    ]);
    await withClient(first.url, (client) => client.query('create table only_here (id int)'));
    const tables = await withClient(second.url, (client) =>
      client.query("select 1 from pg_tables where tablename = 'only_here'"),
    );
    expect(tables.rowCount).toBe(0);
    await Promise.all([first.drop(), second.drop()]);
  });

  it('clone the template with the migrations of every room', async () => {
    const { url } = await testDatabase();
    const schemas = await withClient(url, (client) =>
      client.query("select distinct schemaname from pg_tables where schemaname !~ '^(pg_|info)'"),
    );
    const names = schemas.rows.map((row: { schemaname: string }) => row.schemaname);
    expect(names).toEqual(expect.arrayContaining(['auth', 'events', 'jobs', 'workers']));
  });

  it('drop a database that still has sessions', async () => {
    const database = await testDatabase({ isEmpty: true });
    const client = new pg.Client(database.url);
    const problem = new Signal<Error>();
    client.on('error', (error) => problem.fire(error));
    await client.connect();
    await database.drop();
    expect(String(await problem.next())).toContain('terminat');
  });

  it('hand every caller the same nats-server', async () => {
    expect(await sharedNatsUrl()).toBe(await sharedNatsUrl());
  });
});

describe('a server of its own', () => {
  it('keeps the port and the data of PostgreSQL across stop and kill', async () => {
    const server = await postgresServer({ isDurable: true });
    await withClient(server.url, (client) => client.query('create table kept (id int)'));
    const url = server.url;
    await server.stop();
    await expect(withClient(url, async () => undefined)).rejects.toThrow('ECONNREFUSED');
    await server.start();
    await server.kill();
    await server.start();
    expect(server.url).toBe(url);
    await withClient(url, (client) => client.query('insert into kept values (1)'));
  });

  it('keeps the port of nats-server and can wipe its data', async () => {
    const server = await natsServer();
    const { url, pid } = server;
    await expect(server.wipe()).rejects.toThrow('stop');
    server.pause();
    await server.stop();
    expect(isAlive(pid)).toBe(false);
    await server.wipe();
    await server.start();
    expect(server.url).toBe(url);
  });
});

describe('a spawned process', () => {
  const node = (script: string): Parameters<typeof spawnProcess>[0] => ({
    command: process.execPath,
    args: ['-e', script],
  });

  it('is ready at its line and stops when asked', async () => {
    const child = await spawnProcess({
      ...node('console.log("port 42"); setInterval(() => {}, 1000)'),
      readyLine: /port/,
    });
    expect((await child.waitForLine(/port (\d+)/))[1]).toBe('42');
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('tells its output when it ends before it is ready', async () => {
    const start = spawnProcess({ ...node('console.error("no luck")'), readyLine: /ready/ });
    await expect(start).rejects.toThrow(/before the process ended:\nno luck/);
  });

  it('takes its PostgreSQL and nats-server along when it is killed', async () => {
    const embedded = new URL('../../embedded/dist/index.js', import.meta.url).href;
    const child = await spawnProcess({
      ...node(`
        const { PostgresServer, NatsServer, findOrInstallNatsServer } = await import('${embedded}');
        const { mkdtempSync, chmodSync } = await import('node:fs');
        const dir = mkdtempSync('/tmp/spooled-test-'); chmodSync(dir, 0o755);
        const postgres = new PostgresServer({ dir: dir + '/pg', isDisposable: true, removeOnParentDeath: dir });
        const nats = new NatsServer({ binary: await findOrInstallNatsServer(), dir: dir + '/nats' });
        await Promise.all([postgres.start(), nats.start()]);
        console.log('pids ' + postgres.pid + ' ' + nats.pid + ' ' + dir);
      `),
    });
    const pids = (await child.waitForLine(/pids (\d+) (\d+)/)).slice(1, 3).map(Number);
    expect(pids.map(isAlive)).toEqual([true, true]);
    child.kill('SIGKILL');
    await eventually(() => expect(pids.map(isAlive)).toEqual([false, false]));
  });
});

describe('eventually', () => {
  it('returns the first value that passes', async () => {
    let turn = 0;
    expect(await eventually(() => (++turn > 3 ? turn : false))).toBe(4);
  });

  it('throws the last problem at the deadline', async () => {
    const never = eventually(() => Promise.reject(new Error('not yet')), { timeoutMs: 30 });
    await expect(never).rejects.toThrow('not within 30 ms: not yet');
  });
});

describe('stressStartStop', () => {
  it('accepts a subject that stops cleanly and names one that hangs', async () => {
    await stressStartStop({ start: () => undefined, stop: () => Promise.resolve() });
    const hanging = { start: () => undefined, stop: () => new Promise(() => undefined) };
    await expect(stressStartStop(hanging, { stopTimeoutMs: 20 })).rejects.toThrow('hangs');
  });
});

describe('the streaming clients', () => {
  it('collectSse parses events that arrive in pieces', async () => {
    const host = await listening(
      createServer((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(': hello\nretry: 50\nid: 7\nevent: job.cre');
        setImmediate(() => response.write('ated\r\ndata: {"a":\ndata: 1}\r\n\r\ndata: é\n\n'));
      }),
    );
    const stream = await collectSse(`http://${host}/`);
    expect(await stream.waitForCount(2)).toEqual([
      { id: '7', event: 'job.created', data: '{"a":\n1}' },
      { id: undefined, event: 'message', data: 'é' },
    ]);
    expect([stream.comments, stream.retryMs, stream.lastEventId]).toEqual([['hello'], 50, '7']);
    await stream.close();
  });

  it('WsClient keeps messages and tells why a connection was refused or closed', async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      if (request.url === '/no') {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (peer) => {
        peer.on('message', (data: Buffer) => peer.send(data.toString()));
        peer.send('not json');
      });
    });
    const host = await listening(server);
    const client = await WsClient.open(`ws://${host}/`);
    client.send({ cmd: 'Ping' });
    await client.waitFor<{ cmd?: string }>((message) => message.cmd === 'Ping');
    expect(client.messages).toEqual(['not json', { cmd: 'Ping' }]);
    for (const peer of sockets.clients) peer.close(4001, 'enough');
    expect(await client.closed).toEqual({ code: 4001, reason: 'enough' });
    await expect(WsClient.open(`ws://${host}/no`)).rejects.toThrow('HTTP 401: no');
  });
});
