import { env, loadConfig } from '@spooled/config';
import { z } from 'zod';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { logFields } from './tracing.js';
import { textLine } from './text-line.js';

export type Logger = PinoLogger;

const settings = z.object({
  LOG_LEVEL: env.text('info'),
  /** One JSON object a line, for machines; otherwise lines for people. */
  JSON_LOGS: env.bool(false),
});

export function logSettings(environment?: NodeJS.ProcessEnv): z.output<typeof settings> {
  return loadConfig(settings, environment);
}

/** How lines look and where they go. @default as `JSON_LOGS` says, to standard output */
export interface LogOutput {
  readonly isJson: boolean;
  readonly write?: (line: string) => void;
}

/**
 * One entry a line, in UTC. ERROR means a human must act now; WARN heals itself; INFO is a unit of work.
 * Credentials are cut wherever a field of the usual name holds one.
 */
export function createLogger(
  service: string,
  level = logSettings().LOG_LEVEL,
  output: LogOutput = { isJson: logSettings().JSON_LOGS },
): Logger {
  const options = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    // Which request and which trace, where traces are recorded: a line finds its span and the other way round.
    mixin: logFields,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: ['authorization', 'credential', 'token', 'api_key', '*.authorization', '*.token'],
      censor: '[secret]',
    },
  };
  const destination = destinationOf(output);
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Undefined: pino's own way to standard output, the fastest one. */
function destinationOf({ isJson, write }: LogOutput): DestinationStream | undefined {
  if (!isJson) {
    const put = write ?? ((line: string) => process.stdout.write(line));
    return { write: (json) => void put(textLine(json)) };
  }
  return write === undefined ? undefined : { write };
}
