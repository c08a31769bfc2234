import { env, loadConfig } from '@spooled/config';
import { z } from 'zod';
import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

/**
 * One JSON object a line, in UTC. ERROR means a human must act now; WARN heals itself; INFO is a unit of work.
 * Credentials are cut wherever a field of the usual name holds one.
 */
export function createLogger(service: string, level = logLevel()): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ['authorization', 'credential', 'token', 'api_key', '*.authorization', '*.token'],
      censor: '[secret]',
    },
  });
}

function logLevel(): string {
  return loadConfig(z.object({ LOG_LEVEL: env.text('info') })).LOG_LEVEL;
}
