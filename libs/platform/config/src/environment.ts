import { z } from 'zod';
import { loadConfig } from './load-config.js';

/** Where this process runs. `RUST_ENV` is the name existing deployments already set. */
const schema = z.object({
  SPOOLED_ENV: z.enum(['development', 'staging', 'production', 'test']).optional(),
  RUST_ENV: z.string().optional(),
});

export function environmentName(environment: NodeJS.ProcessEnv = process.env): string {
  const config = loadConfig(schema, environment);
  return config.SPOOLED_ENV ?? config.RUST_ENV ?? 'development';
}

export function isProduction(environment: NodeJS.ProcessEnv = process.env): boolean {
  return environmentName(environment) === 'production';
}
