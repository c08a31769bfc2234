import { createWriteStream, existsSync } from 'node:fs';
import { join } from 'node:path';

import { PostgresServer } from '@spooled/embedded';

import { keptSecret } from './kept-secret.js';
import { Supervisor, type InfrastructureLog } from './supervisor.js';

export interface RunningServer {
  url: string;
  stop(): Promise<void>;
}

/** For two cores and a few gigabytes. Every acknowledged job is on disk: fsync and synchronous_commit stay on. */
const settings = {
  shared_buffers: '256MB',
  synchronous_commit: 'on',
  max_connections: 100,
  max_wal_size: '2GB',
  wal_compression: 'on',
  checkpoint_timeout: '15min',
  // Short statements only: compiling them costs more than it saves.
  jit: 'off',
  // Queue tables are rewritten quickly; the default minute lets dead rows pile up.
  autovacuum_naptime: '15s',
  // Refused statements are answered, counted and logged by the services.
  log_min_messages: 'log',
  log_checkpoints: 'off',
};

/**
 * PostgreSQL with its data in `<dataDirectory>/postgres`, kept between runs, its log in `postgres.log` and the
 * superuser's password in `postgres.password` beside it. One that a killed run left behind is stopped first; one that
 * dies is started again.
 */
export async function startEmbeddedPostgres(
  dataDirectory: string,
  log: InfrastructureLog,
): Promise<RunningServer> {
  const dir = join(dataDirectory, 'postgres');
  const logFile = createWriteStream(join(dataDirectory, 'postgres.log'), { mode: 0o600 });
  const server = new PostgresServer({
    dir,
    password: await keptPassword(dataDirectory, dir),
    settings,
    onLine: (line) => logFile.write(`${line}\n`),
  });
  const supervisor = new Supervisor('PostgreSQL', server, log);
  await supervisor.start();
  return {
    url: server.url,
    async stop() {
      await supervisor.stop();
      logFile.end();
    },
  };
}

async function keptPassword(dataDirectory: string, dir: string): Promise<string> {
  const name = 'postgres.password';
  if (existsSync(join(dir, 'PG_VERSION')) && !existsSync(join(dataDirectory, name))) {
    throw new Error(
      `${join(dataDirectory, name)} is missing, and the database in ${dir} cannot be opened without it.`,
    );
  }
  return keptSecret(dataDirectory, name);
}
