import { loadConfig } from '@spooled/config';
import path from 'node:path';
import { standaloneConfig } from './config.js';
import { startInfrastructure, type Infrastructure } from './infrastructure/infrastructure.js';
import { keptSecret } from './infrastructure/kept-secret.js';
import type { InfrastructureLog } from './infrastructure/supervisor.js';

/** What every service needs to find: the infrastructure, and the secret that signs tokens. */
export interface Foundation {
  readonly environment: Readonly<Record<string, string>>;
  readonly infrastructure: Infrastructure;
}

/** Starts what is missing and tells the services where it is. @throws Error with one clear sentence. */
export async function layFoundation(log: InfrastructureLog): Promise<Foundation> {
  const config = loadConfig(standaloneConfig);
  const dataDirectory = path.resolve(config.SPOOLED_DATA_DIR);
  const infrastructure = await startInfrastructure({
    dataDirectory,
    databaseUrl: config.DATABASE_URL?.reveal(),
    natsUrl: config.NATS_URL,
    log,
  });
  return {
    infrastructure,
    environment: {
      DATABASE_URL: infrastructure.databaseUrl,
      NATS_URL: infrastructure.natsUrl,
      JWT_SECRET: config.JWT_SECRET?.reveal() ?? (await keptSecret(dataDirectory, 'jwt-secret')),
    },
  };
}
