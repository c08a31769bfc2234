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
  let context: INestApplicationContext;
  try {
    context = await NestFactory.createApplicationContext(application, {
      logger: ['error', 'warn'],
      abortOnError: false,
    });
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
    else console.error(error);
    await options.onStopped?.();
    process.exit(1);
  }
  const logger = context.get<Logger>(LOGGER);
  let isStopping = false;
  const stop = (signal: string): void => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    const closed = context.close().finally(() => options.onStopped?.());
    closed.then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stop failed');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.on('unhandledRejection', (reason) => {
    logger.fatal({ err: reason }, 'unhandled rejection');
    process.exit(1);
  });
  await options.onStarted?.(context);
  return context;
}
