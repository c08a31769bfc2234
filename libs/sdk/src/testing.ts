/** A real server for the tests of an application. For Node alone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { SpooledClient } from './index.js';

export interface TestServerOptions {
  /** The server's `main.js`. Default: the variable SPOOLED_SERVER, else that of the package `@spooled/standalone`. */
  readonly serverPath?: string;
  /** Further settings of the server, such as `LEASE_REAP_INTERVAL_MS`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default 60000. */
  readonly startTimeoutMs?: number;
}

export interface TestServer {
  /** Of HTTP. */
  readonly url: string;
  /** What `SpooledWorker` takes as `grpcUrl`. */
  readonly grpcUrl: string;
  /** Of an organization without limits. */
  readonly apiKey: string;
  /** For `new SpooledClient({ adminKey })`, to make more organizations. */
  readonly adminKey: string;
  readonly client: SpooledClient;
  /** Resolves when nothing of it is left. */
  stop(): Promise<void>;
}

/** A port may be taken between finding and using it. */
const MAX_TRIES = 3;
const STOP_TIMEOUT_MS = 20_000;

/**
 * Starts a server with everything it needs, PostgreSQL and NATS too, on free ports and in a directory of its own. It ends with
 * `stop`, and with this process however that dies. @throws Error with the last lines of a server that does not start
 */
export async function startSpooled(options: TestServerOptions = {}): Promise<TestServer> {
  const server = options.serverPath ?? process.env['SPOOLED_SERVER'] ?? installedServer();
  for (let tries = 1; ; tries++) {
    const [port, grpcPort] = await Promise.all([freePort(), freePort()]);
    try {
      return await start(server, port, grpcPort, options);
    } catch (error) {
      const isTaken =
        String(error).includes(String(port)) || String(error).includes(String(grpcPort));
      if (!isTaken || tries >= MAX_TRIES) throw error;
    }
  }
}

function installedServer(): string {
  try {
    return createRequire(path.resolve('package.json')).resolve('@spooled/standalone/server');
  } catch (cause) {
    const text = 'no server: install @spooled/standalone, or set SPOOLED_SERVER to its main.js';
    throw new Error(text, { cause });
  }
}

async function start(
  server: string,
  port: number,
  grpcPort: number,
  { env, startTimeoutMs = 60_000 }: TestServerOptions,
): Promise<TestServer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spooled-test-'));
  // PostgreSQL runs as somebody else when this is root.
  await chmod(directory, 0o755);
  const adminKey = crypto.randomUUID() + crypto.randomUUID();
  const child = spawn(process.execPath, [server], {
    env: {
      ...withoutServerSettings(process.env),
      RATE_LIMIT_REQUESTS_PER_SECOND: '1000000',
      RATE_LIMIT_BURST_SIZE: '1000000',
      LOG_LEVEL: 'warn',
      HOST: '127.0.0.1',
      ...env,
      PORT: String(port),
      GRPC_PORT: String(grpcPort),
      ADMIN_API_KEY: adminKey,
      SPOOLED_DATA_DIR: directory,
      SPOOLED_TEMPORARY: 'true',
    },
    // Its input is open as long as we live.
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C is for us, who then stop it.
    detached: true,
  });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await exited;
    }
    clearTimeout(force);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const apiKey = await announcedKey(child, startTimeoutMs);
    const url = `http://127.0.0.1:${port}`;
    const client = new SpooledClient({ baseUrl: url, apiKey, adminKey });
    return { url, grpcUrl: `http://127.0.0.1:${grpcPort}`, apiKey, adminKey, client, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The server tells the key of its organization when it is ready. */
function announcedKey(child: ChildProcess, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    const fail = (what: string) => {
      clearTimeout(timer);
      reject(new Error(`the server ${what}:\n${lines.slice(-20).join('\n')}`));
    };
    const timer = setTimeout(() => fail(`was not ready within ${timeoutMs} ms`), timeoutMs);
    child.once('error', (error) => fail(`did not start: ${error.message}`));
    child.once('exit', () => fail('ended'));
    for (const stream of [child.stdout, child.stderr]) {
      // Read to the end, so that the server never waits for us.
      createInterface({ input: stream! }).on('line', (line) => {
        const [, key] = /^API key of the demo organization .*: +(sp_\S+)/.exec(line) ?? [];
        if (key === undefined) {
          if (lines.push(line) > 100) lines.shift();
        } else {
          clearTimeout(timer);
          resolve(key);
        }
      });
    }
  });
}

/** What the tests' own environment says of a server, or of debugging, is not meant for this one. */
function withoutServerSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { DATABASE_URL: _, NATS_URL: __, JWT_SECRET: ___, NODE_OPTIONS: ____, ...rest } = env;
  return rest;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
