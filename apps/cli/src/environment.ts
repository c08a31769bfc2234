/** The one place where the command reads its environment. */
import { homedir } from 'node:os';
import path from 'node:path';

declare const SPOOLED_CLI_VERSION: string;

export interface Environment {
  readonly version: string;
  readonly apiKey: string | undefined;
  readonly url: string | undefined;
  /** Where profiles are kept. */
  readonly configFile: string;
  /** Whether output may have colours, if it goes to a terminal. */
  readonly allowsColor: boolean;
  readonly databaseUrl: string | undefined;
  readonly natsUrl: string | undefined;
  /** The monitoring port of the nats-server. */
  readonly natsMonitorUrl: string | undefined;
}

export function readEnvironment(): Environment {
  const { env } = process;
  // An empty variable is one that is not set.
  const text = (name: string): string | undefined => env[name] || undefined;
  const configHome = text('XDG_CONFIG_HOME') ?? path.join(homedir(), '.config');
  return {
    version: SPOOLED_CLI_VERSION,
    apiKey: text('SPOOLED_API_KEY'),
    url: text('SPOOLED_URL'),
    configFile: path.join(configHome, 'spooled', 'config.json'),
    // https://no-color.org
    allowsColor: text('NO_COLOR') === undefined && env['TERM'] !== 'dumb',
    databaseUrl: text('DATABASE_URL'),
    natsUrl: text('NATS_URL'),
    natsMonitorUrl: text('NATS_MONITOR_URL'),
  };
}
