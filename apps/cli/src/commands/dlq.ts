import type { Command } from 'commander';

import { integer } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { usageError } from '../exit-code.js';
import { table } from '../output/table.js';
import { instantOf, relativeTime } from '../output/time.js';

interface ListOptions {
  readonly queue?: string;
  readonly tag?: string;
  readonly limit?: number;
  readonly offset?: number;
}

interface RetryOptions {
  readonly queue?: string;
  readonly all?: boolean;
  readonly limit?: number;
}

interface PurgeOptions {
  readonly queue?: string;
  readonly olderThan?: string;
  readonly limit?: number;
  readonly yes?: boolean;
}

export function addDeadLetters(program: Command, cli: Cli): void {
  const dlq = program.command('dlq').description('dead letters: jobs whose retries are spent');

  dlq
    .command('list')
    .description('dead letters, newest first')
    .option('-q, --queue <name>', 'of this queue only')
    .option('--tag <tag>', 'with this tag only')
    .option('-n, --limit <n>', '1 to 100', integer, 20)
    .option('--offset <n>', 'leave out so many', integer)
    .action(({ queue, ...query }: ListOptions) =>
      cli.show(
        (client, options) => client.jobs.dlq.list({ ...query, queueName: queue }, options),
        (rows, page) =>
          rows.length === 0
            ? 'No dead letters.'
            : table(
                rows,
                [
                  { title: 'ID', of: ({ id }) => id },
                  { title: 'QUEUE', of: ({ queueName }) => queueName },
                  { title: 'RETRIES', of: ({ retryCount }) => retryCount, align: 'right' },
                  { title: 'GIVEN UP', of: ({ updatedAt }) => relativeTime(updatedAt) },
                  { title: 'ERROR', of: ({ lastError }) => lastError, tone: () => 'bad' },
                ],
                page,
              ),
      ),
    );

  dlq
    .command('retry [ids...]')
    .description('give dead letters their retries back: by id, of a queue, or all')
    .option('-q, --queue <name>', 'those of this queue')
    .option('--all', 'those of every queue')
    .option('-n, --limit <n>', '1 to 100, the oldest first', integer)
    .action((ids: string[], { queue, all, limit }: RetryOptions) => {
      if ((ids.length > 0 || queue !== undefined) === (all === true)) {
        throw usageError('Say which: ids, --queue, or --all.');
      }
      return cli.show(
        (client, options) =>
          client.jobs.dlq.retry(
            { jobIds: ids.length > 0 ? ids : undefined, queueName: queue, limit },
            options,
          ),
        ({ retriedCount }) => `${retriedCount} tried again.`,
      );
    });

  dlq
    .command('purge')
    .description('delete dead letters for good')
    .option('-q, --queue <name>', 'those of this queue only')
    .option('--older-than <time>', 'given up before: 7d, or RFC 3339')
    .option('-n, --limit <n>', '1 to 10000, the oldest first', integer)
    .option('-y, --yes', 'do not ask')
    .action(async ({ queue, olderThan, limit, yes }: PurgeOptions) => {
      const before = olderThan === undefined ? undefined : instantOf(olderThan, 'ago');
      const which = queue === undefined ? 'every queue' : `the queue ${queue}`;
      await confirmed(`Delete the dead letters of ${which} for good?`, yes);
      await cli.show(
        (client, options) =>
          client.jobs.dlq.purge(
            { queueName: queue, olderThan: before, limit, confirm: true },
            options,
          ),
        ({ purgedCount }) => `${purgedCount} deleted.`,
      );
    });
}
