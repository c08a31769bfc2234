import type { Command } from 'commander';
import { hostname } from 'node:os';

import { integer, jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { table } from '../output/table.js';
import { relativeTime, wholeSeconds } from '../output/time.js';

interface LeaseOptions {
  readonly worker: string;
  readonly lease?: string;
}

interface ClaimOptions {
  readonly queue: string;
  readonly worker: string;
  readonly limit?: number;
  readonly for?: string;
  readonly wait?: string;
}

/** What a worker says of its jobs, for one that is a script. */
export function addLeases(jobs: Command, cli: Cli): void {
  withWorker(
    jobs.command('claim').description('lease jobs, to work on them; `complete` or `fail` ends it'),
  )
    .requiredOption('-q, --queue <name>', 'where from')
    .option('-n, --limit <n>', '1 to 100; default 1', integer)
    .option('--for <duration>', 'how long the lease is, such as 5m')
    .option('--wait <duration>', 'at most so long until there is one, up to 20s')
    .action(({ queue, worker, limit, for: length, wait }: ClaimOptions) =>
      cli.show(
        (client, options) =>
          client.jobs.claim(
            {
              queueName: queue,
              workerId: worker,
              limit,
              leaseDurationSecs: length === undefined ? undefined : wholeSeconds(length),
              waitSecs: wait === undefined ? undefined : wholeSeconds(wait),
            },
            options,
          ),
        ({ jobs: claimed }, page) =>
          claimed.length === 0
            ? 'No job.'
            : table(
                claimed,
                [
                  { title: 'ID', of: ({ id }) => id },
                  { title: 'LEASE', of: ({ leaseId }) => leaseId },
                  { title: 'ENDS', of: ({ leaseExpiresAt }) => relativeTime(leaseExpiresAt) },
                  { title: 'PAYLOAD', of: ({ payload }) => JSON.stringify(payload) },
                ],
                page,
              ),
      ),
    );

  withLease(jobs.command('complete <id>').description('the job is done'))
    .option('--result <json>', 'JSON, @file, or - for stdin')
    .action(async (id: string, { result, ...by }: LeaseOptions & { readonly result?: string }) => {
      const value = result === undefined ? undefined : await jsonArgument(result);
      await cli.show(
        (client, options) => client.jobs.complete(id, { ...holderOf(by), result: value }, options),
        () => `${id} is completed.`,
      );
    });

  withLease(
    jobs.command('fail <id> <error>').description('the job failed: again later, or a dead letter'),
  ).action((id: string, error: string, by: LeaseOptions) =>
    cli.show(
      (client, options) => client.jobs.fail(id, { ...holderOf(by), error }, options),
      ({ willRetry, nextRetryAt }) =>
        willRetry ? `${id} is tried again ${relativeTime(nextRetryAt)}.` : `${id} is given up.`,
    ),
  );

  withLease(jobs.command('renew <id>').description('hold on to a job'))
    .requiredOption('--for <duration>', 'from now, such as 5m')
    .action((id: string, { for: length, ...by }: LeaseOptions & { readonly for: string }) =>
      cli.show(
        (client, options) =>
          client.jobs.heartbeat(
            id,
            { ...holderOf(by), leaseDurationSecs: wholeSeconds(length) },
            options,
          ),
        ({ leaseExpiresAt }) => `The lease ends ${relativeTime(leaseExpiresAt)}.`,
      ),
    );

  withLease(
    jobs.command('progress <id> <percent> [message]').description('how far a job is'),
  ).action((id: string, percent: string, message: string | undefined, by: LeaseOptions) =>
    cli.show(
      (client, options) =>
        client.jobs.progress(id, { ...holderOf(by), percent: integer(percent), message }, options),
      () => `${id} is at ${percent} %.`,
    ),
  );

  withLease(jobs.command('log <id> <lines...>').description('write into the log of a job')).action(
    (id: string, lines: string[], by: LeaseOptions) =>
      cli.show(
        (client, options) => client.jobs.appendLogs(id, { ...holderOf(by), lines }, options),
        () => `${lines.length} written.`,
      ),
  );
}

/** The same for all commands of one machine, so that it need not be said. */
function withWorker(command: Command): Command {
  return command.option('--worker <id>', 'who works on it', `spooled-${hostname()}`);
}

function withLease(command: Command): Command {
  return withWorker(command).option('--lease <id>', 'as `claim` told it: refused when it is lost');
}

function holderOf({ worker, lease }: LeaseOptions) {
  return { workerId: worker, leaseId: lease };
}
