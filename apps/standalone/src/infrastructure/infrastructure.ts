/** What `npm start` and `npm run services` stand on: PostgreSQL and NATS, given or started here. */
import { claimDataDirectory } from './data-directory.js';
import { startEmbeddedPostgres, type RunningServer } from './embedded-postgres.js';
import { startNatsChild } from './nats-child.js';
import type { InfrastructureLog } from './supervisor.js';

export interface InfrastructureOptions {
  /** Holds `postgres/` and `nats/`; not touched when both URLs are given. */
  dataDirectory: string;
  /** Given: no PostgreSQL is started. */
  databaseUrl?: string;
  /** Given: no nats-server is started. */
  natsUrl?: string;
  log: InfrastructureLog;
}

export interface Infrastructure {
  databaseUrl: string;
  natsUrl: string;
  /** Stop the services first: this takes NATS and then PostgreSQL away. */
  stop(): Promise<void>;
}

/** @throws Error with one clear sentence; whatever had been started is stopped again. */
export async function startInfrastructure(options: InfrastructureOptions): Promise<Infrastructure> {
  const { databaseUrl, natsUrl, log } = options;
  if (databaseUrl && natsUrl) return { databaseUrl, natsUrl, stop: async () => undefined };
  const directory = await claimDataDirectory(options.dataDirectory);
  const given = (url: string): RunningServer => ({ url, stop: async () => undefined });
  const [postgres, nats] = await Promise.allSettled([
    databaseUrl ? given(databaseUrl) : startEmbeddedPostgres(directory.path, log),
    natsUrl ? given(natsUrl) : startNatsChild(directory.path, log),
  ]);
  const stop = async (): Promise<void> => {
    if (nats.status === 'fulfilled') await nats.value.stop();
    if (postgres.status === 'fulfilled') await postgres.value.stop();
    await directory.release();
  };
  if (postgres.status === 'fulfilled' && nats.status === 'fulfilled') {
    return { databaseUrl: postgres.value.url, natsUrl: nats.value.url, stop };
  }
  await stop();
  throw postgres.status === 'rejected' ? postgres.reason : (nats as PromiseRejectedResult).reason;
}
