import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { ConfigError } from '@spooled/config';
import { LOGGER, type Logger } from '@spooled/telemetry';
import 'reflect-metadata';

/** A stop that takes longer than this is cut: the platform's SIGKILL would come anyway. */
const STOP_LIMIT_MS = 35_000;

/**
 * Starts a service: builds the application context, closes it once on SIGTERM or SIGINT, and ends the process with
 * code 1 on an invalid configuration, a failed start, or an unhandled rejection (which is a bug, never a state).
 */
export async function bootstrap(
  application: Type,
  options: {
    readonly onStarted?: (context: INestApplicationContext) => Promise<void>;
    /** Runs last, also after a failed start: what the application stood on can go now. */
    readonly onStopped?: () => Promise<void>;
  } = {},
): Promise<INestApplicationContext> {
  // What it has to say is in the errors that it throws.
  const starting = NestFactory.createApplicationContext(application, {
    logger: false,
    abortOnError: false,
  });
  let isStopping = false;
  const stop = (signal: string): void => {
    if (isStopping) return;
    isStopping = true;
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    void starting.then(
      (context) => close(context, signal, options.onStopped),
      // Whoever awaits the start tells why.
      () => undefined,
    );
  };
  // Before anything is started: in a container, a signal that nobody listens for is lost.
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  let context: INestApplicationContext;
  try {
    context = await starting;
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
    else console.error(error);
    await options.onStopped?.();
    process.exit(1);
  }
  const logger = context.get<Logger>(LOGGER);
  process.on('unhandledRejection', (reason) => {
    logger.fatal({ err: reason }, 'unhandled rejection');
    process.exit(1);
  });
  if (!isStopping) await options.onStarted?.(context);
  return context;
}

async function close(
  context: INestApplicationContext,
  signal: string,
  onStopped: (() => Promise<void>) | undefined,
): Promise<void> {
  const logger = context.get<Logger>(LOGGER);
  logger.info({ signal }, 'stopping');
  try {
    await context.close().finally(() => onStopped?.());
    process.exit(0);
  } catch (error) {
    logger.error({ err: error }, 'stop failed');
    process.exit(1);
  }
}
