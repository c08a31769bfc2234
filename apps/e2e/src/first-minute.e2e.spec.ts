/** Story 2: a newcomer's first minute, from `npm start` to Ctrl-C, with nothing given but a port. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  eventually,
  freePort,
  grpcClient,
  onCleanUp,
  spawnProcess,
  WsClient,
  type GrpcClient,
  type SpawnedProcess,
} from '@spooled/testing';

import { root } from './harness/host.js';
import { hasCurl, run, watch } from './harness/shell.js';

function emptyDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'spooled-e2e-'));
  chmodSync(directory, 0o755);
  onCleanUp(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What `npm start` and `npm run services` call. npm itself, when interrupted, ends by the signal whatever its script does. */
async function npm(script: string, env: Readonly<Record<string, string>>): Promise<SpawnedProcess> {
  const GRPC_PORT = String(await freePort());
  return spawnProcess({
    command: process.execPath,
    args: ['tools/run.mjs', script],
    cwd: root,
    env: { DATABASE_URL: undefined, NATS_URL: undefined, JWT_SECRET: undefined, GRPC_PORT, ...env },
  });
}

/** Ctrl-C in the terminal: the code that the shell sees. */
async function interrupt(started: SpawnedProcess): Promise<number | null> {
  started.killGroup('SIGINT');
  await eventually(() => !started.isRunning());
  return (await started.exited).code;
}

/** Processes whose command line mentions the data directory, this test's own aside. */
function leftovers(directory: string): string[] {
  const all = execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return all.filter((line) => line.includes(directory));
}

describe('the first minute', () => {
  const directory = emptyDirectory();
  const lines: string[] = [];
  let port: number;
  let apiKey: string;

  beforeAll(async () => {
    port = await freePort();
  });

  it('starts from nothing, and three pasted lines show a job from created to completed', async () => {
    const started = await npm('start', { PORT: String(port), SPOOLED_DATA_DIR: directory });
    await started.waitForLine(/curl .*\/complete/);
    const banner = started.lines.join('\n');
    [, apiKey = ''] = /\(shown this once\): {2}(sp_\S+)/.exec(banner) ?? [];
    expect(apiKey).toMatch(/^sp_(live|test)_[\w-]{43}$/);
    lines.push(...started.lines.filter((line) => /^(curl|JOB=)/.test(line)));
    expect(lines).toHaveLength(3);
    const [watching = '', enqueue = '', work = ''] = lines;

    const authorization = `Bearer ${apiKey}`;
    const url = `http://localhost:${port}/api/v1`;
    const events = await watch(watching, `${url}/events`, { authorization });
    const printed = await run(`${enqueue}\n${work}`, () => pasteWithoutCurl(url, authorization));
    const seen = await events.until(({ event }) => event === 'job.completed');
    const [first] = seen.filter(({ event }) => event === 'job.created');
    const id = first?.envelope.data['job_id'];
    expect(printed).toContain(id);
    const ofJob = seen.filter(({ envelope }) => envelope.data['job_id'] === id);
    expect(ofJob.map(({ event, envelope }) => envelope.data['new_status'] ?? event)).toEqual([
      'job.created',
      'processing',
      'completed',
      'job.completed',
    ]);

    const docs = await fetch(`http://localhost:${port}/docs`);
    expect(docs.headers.get('content-type')).toContain('text/html');
    expect(await interrupt(started)).toBe(0);
    await events.ended;
    await eventually(() => expect(leftovers(directory)).toEqual([]));
    await expect(fetch(`${url}/jobs`)).rejects.toThrow();
  });

  it('starts again with its data and without showing the key', async () => {
    const started = await npm('start', { PORT: String(port), SPOOLED_DATA_DIR: directory });
    await started.waitForLine(/Spooled is ready/);
    expect(started.lines.join('\n')).not.toMatch(/sp_(live|test)_/);
    const headers = { authorization: `Bearer ${apiKey}` };
    const jobs = await fetch(`http://localhost:${port}/api/v1/jobs`, { headers });
    expect(await jobs.json()).toEqual([
      expect.objectContaining({ queue_name: 'emails', status: 'completed' }),
    ]);

    const second = await npm('start', {
      PORT: String(await freePort()),
      SPOOLED_DATA_DIR: directory,
    });
    expect((await second.exited).code).toBe(1);
    expect(second.lines.join('\n')).toMatch(/Spooled already runs on .*SPOOLED_DATA_DIR/);
    expect(await interrupt(started)).toBe(0);
    await eventually(() => expect(leftovers(directory)).toEqual([]));
  });

  it('says in one sentence that its port is taken, and ends with code 1', async () => {
    const taken = createServer();
    const takenPort = await new Promise<number>((resolve) =>
      taken.listen(0, '0.0.0.0', () => {
        const address = taken.address();
        resolve(typeof address === 'object' && address ? address.port : 0);
      }),
    );
    const empty = emptyDirectory();
    const started = await npm('start', { PORT: String(takenPort), SPOOLED_DATA_DIR: empty });
    const { code } = await started.exited;
    await new Promise((resolve) => taken.close(resolve));
    expect(code).toBe(1);
    expect(started.lines).toEqual([
      expect.stringMatching(/^Port \d+ is taken: .* PORT=\d+ npm start$/),
    ]);
    await eventually(() => expect(leftovers(empty)).toEqual([]));
  });

  it('runs the services as separate processes just as well', async () => {
    const empty = emptyDirectory();
    const basePort = await freePort();
    const started = await npm('services', {
      SPOOLED_BASE_PORT: String(basePort),
      SPOOLED_BASE_GRPC_PORT: String(basePort + 100),
      SPOOLED_DATA_DIR: empty,
    });
    const [, key = ''] = await started.waitForLine(/\(shown this once\): {2}(\S+)/);
    const banner = started.lines.join('\n');
    const base = (service: string): string =>
      new RegExp(`^ +${service} +(http://localhost:\\d+)`, 'm').exec(banner)?.[1] ?? '';
    const socket = await WsClient.open(
      `${base('realtime-gateway').replace('http', 'ws')}/api/v1/ws?token=${key}`,
    );
    const created = await fetch(`${base('job-api')}/api/v1/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ queue_name: 'emails', payload: {} }),
    });
    expect(created.status).toBe(201);
    await socket.waitFor<{ type: string }>(({ type }) => type === 'JobCreated');
    const grpc = (service: string): GrpcClient => {
      const [, port] = new RegExp(`localhost:(\\d+) +gRPC ${service}$`, 'm').exec(banner) ?? [];
      const client = grpcClient(service, Number(port));
      onCleanUp(() => client.close());
      return client;
    };
    const { id } = (await created.json()) as { id: string };
    const asKey = { 'x-api-key': key };
    expect(
      await grpc('spooled.v1.QueueService').call('GetJob', { job_id: id }, asKey),
    ).toMatchObject({ job: { id, queue_name: 'emails' } });
    expect(
      await grpc('spooled.v1.WorkerService').call('Heartbeat', { worker_id: 'none' }, asKey),
    ).toMatchObject({ acknowledged: false });
    const subscription = grpc('spooled.v1.EventService').stream('SubscribeEvents', {}, asKey);
    subscription.on('error', () => undefined);
    const [hello] = (await once(subscription, 'data')) as [{ type: string }];
    expect(hello.type).toBe('Ping');
    subscription.cancel();
    expect(await interrupt(started)).toBe(0);
    expect((await socket.closed).code).toBe(1001);
    await eventually(() => expect(leftovers(empty)).toEqual([]));
  });
});

/** What the two lines do, on a machine without curl. */
async function pasteWithoutCurl(url: string, authorization: string): Promise<string> {
  expect(hasCurl).toBe(false);
  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await response.json()) as Record<string, unknown>;
  };
  const { id } = await post('/jobs', { queue_name: 'emails', payload: {} });
  await post('/jobs/claim', { queue_name: 'emails', worker_id: 'me' });
  await post(`/jobs/${String(id)}/complete`, { worker_id: 'me', result: { sent: true } });
  return String(id);
}
