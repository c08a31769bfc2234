import type { Command } from 'commander';

import { integer, jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { usageError } from '../exit-code.js';
import { fields, type Page } from '../output/table.js';
import { wholeSeconds } from '../output/time.js';
import { filterOf, withFilter, type FilterOptions } from './job-filter.js';

interface CreateOptions {
  readonly queue: string;
  readonly priority?: number;
  readonly maxRetries?: number;
  readonly timeout?: string;
}

interface ActionOptions extends FilterOptions {
  readonly limit?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** What is done to many jobs at once. */
export function addBulk(jobs: Command, cli: Cli): void {
  const bulk = jobs.command('bulk').description('many jobs at once');

  bulk
    .command('create <jobs>')
    .description('enqueue up to 100: a JSON array as `POST /jobs/bulk` takes it, @file, or -')
    .requiredOption('-q, --queue <name>', 'where to')
    .option('--priority <n>', '-100 to 100, of those that say nothing', integer)
    .option('--max-retries <n>', 'default: as the queue says', integer)
    .option('--timeout <duration>', 'advice to the worker, such as 5m')
    .action(async (text: string, given: CreateOptions) => {
      const items = await jsonArgument(text);
      if (!Array.isArray(items)) throw usageError('Jobs are a JSON array.');
      await cli.show(
        (client, options) =>
          client.jobs.bulkEnqueue(
            {
              queueName: given.queue,
              jobs: items.map(itemOf) as never,
              defaultPriority: given.priority,
              defaultMaxRetries: given.maxRetries,
              defaultTimeoutSeconds:
                given.timeout === undefined ? undefined : wholeSeconds(given.timeout),
            },
            options,
          ),
        ({ succeeded, failed }) =>
          [
            ...succeeded.map(({ jobId, created }) =>
              created ? jobId : `${jobId} (was there already)`,
            ),
            ...failed.map(({ index, error }) => `job ${index} is refused: ${error}`),
          ].join('\n'),
      );
    });

  withAction(bulk.command('cancel').description('cancel what has not begun of those that match'))
    .option('-y, --yes', 'do not ask')
    .action(async (given: ActionOptions) => {
      const selection = selectionOf(given);
      await confirmed('Cancel all that match?', given.yes === true || given.dryRun === true);
      await cli.show((client, options) => client.jobs.bulkCancel(selection, options), describe);
    });

  withAction(
    bulk.command('retry').description('give dead letters that match their retries back'),
  ).action((given: ActionOptions) =>
    cli.show((client, options) => client.jobs.bulkRetry(selectionOf(given), options), describe),
  );

  withAction(
    bulk.command('priority <priority>').description('move what has not begun of those that match'),
  ).action((priority: string, given: ActionOptions) =>
    cli.show(
      (client, options) =>
        client.jobs.bulkSetPriority(
          { ...selectionOf(given), priority: integer(priority) },
          options,
        ),
      describe,
    ),
  );
}

/** As the client wants it: it gives a key to each item that has none. */
function itemOf(item: unknown): object {
  const { idempotency_key: idempotencyKey, ...rest } = (item ?? {}) as Record<string, unknown>;
  return { ...rest, idempotencyKey };
}

function withAction(command: Command): Command {
  return withFilter(command)
    .option('-n, --limit <n>', '1 to 10000, the oldest first; default 1000', integer)
    .option('--dry-run', 'only count them');
}

function selectionOf({ limit, dryRun, yes: _, ...filter }: ActionOptions) {
  return {
    filter: filterOf(filter),
    ...(limit !== undefined && { limit }),
    ...(dryRun !== undefined && { dryRun }),
  };
}

interface Outcome {
  readonly matched: number;
  readonly changed: number;
  readonly skipped: number;
  readonly hasMore: boolean;
}

function describe({ matched, changed, skipped, hasMore }: Outcome, page: Page): string {
  return fields(
    { matched, changed, skipped, more: hasMore ? 'there are: ask again' : 'none' },
    page,
  );
}
