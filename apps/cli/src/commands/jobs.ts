import { Option, type Command } from 'commander';
import { SpooledError, type Job, type Query } from '@spooled/sdk';

import { integer, jsonArgument, textArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { CliError, exitCodes } from '../exit-code.js';
import { toneOf } from '../output/style.js';
import { fields, table, type Column, type Page } from '../output/table.js';
import { harmless } from '../output/text.js';
import { duration, durationMs, instantOf, relativeTime, wholeSeconds } from '../output/time.js';
import { addBulk } from './bulk.js';
import { filterOf, withFilter, type FilterOptions } from './job-filter.js';
import { addLeases } from './leases.js';

export interface JobRow {
  readonly id: string;
  readonly queueName: string;
  readonly status: string;
  readonly priority?: number;
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
  readonly completionWebhook?: string;
  readonly completionWebhookSecret?: string;
}

interface ListOptions extends FilterOptions, PageOptions {
  readonly order?: JobOrder;
  readonly ascending?: boolean;
}

interface PageOptions {
  readonly limit?: number;
  readonly offset?: number;
}

type JobOrder = NonNullable<Query<'jobs', 'list'>['orderBy']>;
const jobOrders: readonly JobOrder[] = [
  'created_at',
  'updated_at',
  'scheduled_at',
  'completed_at',
  'priority',
  'status',
  'queue_name',
  'retry_count',
];

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
    .option('--completion-webhook <url>', 'is told when the job has ended')
    .option('--completion-webhook-secret <secret>', 'signs that: as it is, @file, or -')
    .action(async (given: CreateOptions) => {
      const payload = await jsonArgument(given.payload);
      const tags = given.tags === undefined ? undefined : await jsonArgument(given.tags);
      const { completionWebhookSecret: signs } = given;
      const secret = signs === undefined ? undefined : await textArgument(signs);
      await cli.show(
        (client, options) =>
          client.jobs.create(
            {
              queueName: given.queue,
              payload,
              tags: tags as never,
              priority: given.priority,
              maxRetries: given.maxRetries,
              timeoutSeconds: given.timeout === undefined ? undefined : wholeSeconds(given.timeout),
              scheduledAt: given.at === undefined ? undefined : instantOf(given.at, 'ahead'),
              expiresAt:
                given.expires === undefined ? undefined : instantOf(given.expires, 'ahead'),
              idempotencyKey: given.idempotencyKey,
              parentJobId: given.parent,
              completionWebhook: given.completionWebhook,
              completionWebhookSecret: secret,
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
    .action((id: string) =>
      cli.show(
        (client, options) => client.jobs.why(id, options),
        ({ message }) => harmless(message),
      ),
    );

  withFilter(jobs.command('list').description('jobs, newest first'))
    .addOption(new Option('--order <field>', 'by what').choices(jobOrders))
    .option('--ascending', 'the other way round')
    .option('-n, --limit <n>', '1 to 100', integer, 20)
    .option('--offset <n>', 'leave out so many', integer)
    .action(({ order, ascending, limit, offset, ...filter }: ListOptions) =>
      cli.show(
        (client, options) =>
          client.jobs.list(
            {
              ...filterOf(filter),
              ...(order !== undefined && { orderBy: order }),
              ...(ascending === true && { orderDir: 'asc' as const }),
              limit,
              offset,
            },
            options,
          ),
        (rows, page) => (rows.length === 0 ? 'No jobs.' : table(rows, jobColumns, page)),
      ),
    );

  jobs
    .command('status <ids...>')
    .description('the states of up to 100 jobs; unknown ones are left out')
    .action((ids: string[]) =>
      cli.show(
        (client, options) => client.jobs.batchStatus(ids, options),
        (rows, page) =>
          table(
            rows,
            jobColumns.filter(({ title }) => title !== 'PRIO'),
            page,
          ),
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
    .command('history <id>')
    .description('what happened to a job, each attempt')
    .option('-n, --limit <n>', '1 to 500, the oldest first', integer, 100)
    .option('--offset <n>', 'leave out so many', integer)
    .action((id: string, query: PageOptions) =>
      cli.show(
        (client, options) => client.jobs.history(id, { ...query }, options),
        (rows, page) =>
          table(
            rows,
            [
              { title: 'WHEN', of: ({ createdAt }) => relativeTime(createdAt) },
              {
                title: 'WHAT',
                of: ({ eventType }) => eventType,
                tone: ({ eventType }) => toneOf(eventType),
              },
              { title: 'ATTEMPT', of: ({ details }) => details.attempt, align: 'right' },
              { title: 'WORKER', of: ({ workerId }) => workerId },
              {
                title: 'TOOK',
                of: ({ details: { duration_ms: ms } }) => (ms === undefined ? null : duration(ms)),
                align: 'right',
              },
              { title: 'ERROR', of: ({ details }) => details.error, tone: () => 'bad' },
            ],
            page,
          ),
      ),
    );

  jobs
    .command('dependencies <id>')
    .description('what a job waits for, and what waits for it')
    .action((id: string) =>
      cli.show(
        (client, options) => client.jobs.dependencies(id, options),
        ({ dependencies, dependents }, page) =>
          dependencies.length + dependents.length === 0
            ? 'No dependencies.'
            : table(
                [
                  ...dependencies.map((each) => ({ ...each, side: 'waits for' })),
                  ...dependents.map((each) => ({ ...each, side: 'is waited for by' })),
                ],
                [
                  { title: 'IT', of: ({ side }) => side },
                  { title: 'JOB', of: ({ jobId }) => jobId },
                  { title: 'QUEUE', of: ({ queueName }) => queueName },
                  {
                    title: 'STATUS',
                    of: ({ status }) => status,
                    tone: ({ status }) => toneOf(status),
                  },
                ],
                page,
              ),
      ),
    );

  jobs
    .command('depend <id> <on...>')
    .description('let a job that has not begun wait for others')
    .option('--any', 'for the first of them that completes')
    .action((id: string, on: string[], { any }: { readonly any?: boolean }) =>
      cli.show(
        (client, options) =>
          client.jobs.addDependencies(
            id,
            { dependsOn: on, ...(any === true && { dependencyMode: 'any' }) },
            options,
          ),
        ({ added }) => `${added} added.`,
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

  addLeases(jobs, cli);
  addBulk(jobs, cli);
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
