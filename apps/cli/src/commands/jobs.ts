import { Option, type Command } from 'commander';
import { SpooledError, type Job } from '@spooled/sdk';

import { integer, jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { CliError, exitCodes } from '../exit-code.js';
import { toneOf } from '../output/style.js';
import { fields, table, type Column, type Page } from '../output/table.js';
import { harmless } from '../output/text.js';
import { duration, durationMs, instantOf, relativeTime } from '../output/time.js';
import { why } from './why.js';

export interface JobRow {
  readonly id: string;
  readonly queueName: string;
  readonly status: string;
  readonly priority: number;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly createdAt: string;
}

export const jobColumns: readonly Column<JobRow>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'QUEUE', of: ({ queueName }) => queueName },
  { title: 'STATUS', of: ({ status }) => status, tone: ({ status }) => toneOf(status) },
  { title: 'PRIO', of: ({ priority }) => priority, align: 'right' },
  {
    title: 'RETRIES',
    of: ({ retryCount, maxRetries }) => `${retryCount}/${maxRetries}`,
    align: 'right',
  },
  { title: 'CREATED', of: ({ createdAt }) => relativeTime(createdAt) },
];

const jobStates: readonly Job['status'][] = [
  'pending',
  'scheduled',
  'processing',
  'completed',
  'failed',
  'deadletter',
  'cancelled',
];

interface CreateOptions {
  readonly queue: string;
  readonly payload: string;
  readonly priority?: number;
  readonly maxRetries?: number;
  readonly timeout?: string;
  readonly at?: string;
  readonly expires?: string;
  readonly tags?: string;
  readonly idempotencyKey?: string;
  readonly parent?: string;
}

interface ListOptions {
  readonly queue?: string;
  readonly status?: Job['status'];
  readonly tag?: string;
  readonly limit?: number;
  readonly offset?: number;
}

export function addJobs(program: Command, cli: Cli): void {
  const jobs = program.command('jobs').description('enqueue, look at, and steer jobs');

  jobs
    .command('create')
    .description('enqueue a job')
    .requiredOption('-q, --queue <name>', 'where to')
    .option('-p, --payload <json>', 'JSON, @file, or - for stdin', '{}')
    .option('--priority <n>', '-100 to 100; higher comes first', integer)
    .option('--max-retries <n>', 'default: as the queue says', integer)
    .option('--timeout <duration>', 'advice to the worker, such as 5m')
    .option('--at <time>', 'not before: 10m, 2h, or RFC 3339')
    .option('--expires <time>', 'cancelled when it has not begun by then')
    .option('--tags <json>', 'JSON object or array, @file, or -')
    .option('--idempotency-key <key>', 'a second job with this key is the first one')
    .option('--parent <id>', 'waits until this job has completed')
    .action(async (given: CreateOptions) => {
      const payload = await jsonArgument(given.payload);
      const tags = given.tags === undefined ? undefined : await jsonArgument(given.tags);
      await cli.show(
        (client, options) =>
          client.jobs.create(
            {
              queueName: given.queue,
              payload,
              tags: tags as never,
              priority: given.priority,
              maxRetries: given.maxRetries,
              timeoutSeconds:
                given.timeout === undefined
                  ? undefined
                  : Math.ceil(durationMs(given.timeout) / 1000),
              scheduledAt: given.at === undefined ? undefined : instantOf(given.at, 'ahead'),
              expiresAt:
                given.expires === undefined ? undefined : instantOf(given.expires, 'ahead'),
              idempotencyKey: given.idempotencyKey,
              parentJobId: given.parent,
            },
            options,
          ),
        ({ id, created }) => (created ? id : `${id} (was there already)`),
      );
    });

  jobs
    .command('get <id>')
    .description('everything about a job')
    .action((id: string) =>
      cli.show((client, options) => client.jobs.get(id, options), describeJob),
    );

  jobs
    .command('why <id>')
    .description('why a job is where it is')
    .action((id: string) => why(cli, id));

  jobs
    .command('list')
    .description('jobs, newest first')
    .option('-q, --queue <name>', 'of this queue only')
    .addOption(new Option('-s, --status <status>', 'in this state only').choices(jobStates))
    .option('--tag <tag>', 'with this tag only')
    .option('-n, --limit <n>', '1 to 100', integer, 20)
    .option('--offset <n>', 'leave out so many', integer)
    .action(({ queue, ...query }: ListOptions) =>
      cli.show(
        (client, options) => client.jobs.list({ ...query, queueName: queue }, options),
        (rows, page) => (rows.length === 0 ? 'No jobs.' : table(rows, jobColumns, page)),
      ),
    );

  jobs
    .command('stats')
    .description('how many jobs are in each state')
    .option('-q, --queue <name>', 'of this queue only')
    .action(({ queue }: { readonly queue?: string }) =>
      cli.show(
        (client, options) =>
          client.jobs.stats(queue === undefined ? {} : { queueName: queue }, options),
        (stats, page) => fields({ ...stats }, page),
      ),
    );

  jobs
    .command('logs <id>')
    .description('what the worker wrote into the log of a job')
    .action((id: string) =>
      cli.show(
        (client, options) => client.jobs.logs(id, {}, options),
        (lines) =>
          lines.length === 0
            ? 'No lines.'
            : lines.map(({ loggedAt, line }) => `${loggedAt}  ${harmless(line)}`).join('\n'),
      ),
    );

  jobs
    .command('cancel <id>')
    .description('cancel a job that has not begun')
    .action((id: string) =>
      cli.show(
        (client, options) => client.jobs.cancel(id, options),
        () => `${id} is cancelled.`,
        { id, status: 'cancelled' },
      ),
    );

  jobs
    .command('retry <id>')
    .description('give a dead letter its retries back')
    .action((id: string) =>
      cli.show(
        (client, options) => client.jobs.retry(id, options),
        ({ status }) => `${id} is ${status}.`,
      ),
    );

  jobs
    .command('priority <id> <priority>')
    .description('move a job that has not begun')
    .action((id: string, priority: string) =>
      cli.show(
        (client, options) => client.jobs.setPriority(id, integer(priority), options),
        ({ oldPriority, newPriority }) => `${id}: ${oldPriority} -> ${newPriority}`,
      ),
    );

  jobs
    .command('wait <id>')
    .description('until the job has ended; code 8 unless it completed')
    .option('-t, --timeout <duration>', 'at most so long, such as 90s; code 9 after that')
    .action(async (id: string, { timeout }: { readonly timeout?: string }) => {
      await waitFor(cli, id, timeout === undefined ? undefined : durationMs(timeout));
      const { signal } = cli;
      const { value: job, body } = await cli.api.ask((client) => client.jobs.get(id, { signal }));
      await cli.output.result(body, (page) => describeJob(job, page));
      if (job.status !== 'completed') {
        throw new CliError(`The job ended as ${job.status}.`, exitCodes.jobFailed, 'JOB_FAILED');
      }
    });
}

async function waitFor(cli: Cli, id: string, timeoutMs: number | undefined): Promise<void> {
  try {
    await cli.client.jobs.wait(id, {
      signal: cli.signal,
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
  } catch (error) {
    if (timeoutMs === undefined || !(error instanceof SpooledError) || error.code !== 'TIMEOUT') {
      throw error;
    }
    throw new CliError(
      `The job has not ended within ${duration(timeoutMs)}.`,
      exitCodes.timeLimit,
      'TIME_LIMIT',
    );
  }
}

function describeJob(job: Job, page: Page): string {
  return fields(
    {
      id: job.id,
      queue: job.queueName,
      status: job.status,
      priority: job.priority,
      retries: `${job.retryCount} of ${job.maxRetries}`,
      created: relativeTime(job.createdAt),
      scheduled: job.scheduledAt === null ? undefined : relativeTime(job.scheduledAt),
      started: relativeTime(job.startedAt),
      ended: relativeTime(job.completedAt),
      worker: job.assignedWorkerId,
      lease: job.leaseExpiresAt === null ? undefined : `ends ${relativeTime(job.leaseExpiresAt)}`,
      workflow: job.workflowId ?? undefined,
      error: job.lastError ?? undefined,
      tags: job.tags == null ? undefined : JSON.stringify(job.tags),
      payload: JSON.stringify(job.payload),
      result: job.result == null ? undefined : JSON.stringify(job.result),
    },
    page,
  );
}
