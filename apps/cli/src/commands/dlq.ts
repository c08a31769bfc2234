import type { Command } from 'commander';

import { integer } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { usageError } from '../exit-code.js';
import { table } from '../output/table.js';
import { instantOf, relativeTime } from '../output/time.js';

interface WhichOptions {
  readonly queue?: string;
  readonly tag?: string;
  readonly type?: string;
}

interface ListOptions extends WhichOptions {
  readonly search?: string;
  readonly limit?: number;
  readonly offset?: number;
}

interface RetryOptions extends WhichOptions {
  readonly all?: boolean;
  readonly limit?: number;
}

interface PurgeOptions extends WhichOptions {
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
    .option('--type <name>', 'with this `job_type` in the payload only')
    .option('--search <text>', 'beginning of the id, idempotency key, tag, part of queue or type')
    .option('-n, --limit <n>', '1 to 100', integer, 20)
    .option('--offset <n>', 'leave out so many', integer)
    .action(({ search, limit, offset, ...which }: ListOptions) =>
      cli.show(
        (client, options) =>
          client.jobs.dlq.list({ ...selectionOf(which), q: search, limit, offset }, options),
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
    .description('give dead letters their retries back: by id, those that match, or all')
    .option('-q, --queue <name>', 'those of this queue')
    .option('--tag <tag>', 'those with this tag')
    .option('--type <name>', 'those with this `job_type` in the payload')
    .option('--all', 'those of every queue')
    .option('-n, --limit <n>', '1 to 100, the oldest first', integer)
    .action((ids: string[], { all, limit, ...which }: RetryOptions) => {
      const isChosen = ids.length > 0 || Object.keys(which).length > 0;
      if (isChosen === (all === true)) {
        throw usageError('Say which: ids, --queue, --tag, --type, or --all.');
      }
      return cli.show(
        (client, options) =>
          client.jobs.dlq.retry(
            { ...selectionOf(which), jobIds: ids.length > 0 ? ids : undefined, limit },
            options,
          ),
        ({ retriedCount }) => `${retriedCount} tried again.`,
      );
    });

  dlq
    .command('purge')
    .description('delete dead letters for good')
    .option('-q, --queue <name>', 'those of this queue only')
    .option('--tag <tag>', 'those with this tag only')
    .option('--type <name>', 'those with this `job_type` in the payload only')
    .option('--older-than <time>', 'given up before: 7d, or RFC 3339')
    .option('-n, --limit <n>', '1 to 10000, the oldest first', integer)
    .option('-y, --yes', 'do not ask')
    .action(async ({ olderThan, limit, yes, ...which }: PurgeOptions) => {
      const before = olderThan === undefined ? undefined : instantOf(olderThan, 'ago');
      await confirmed(`Delete the dead letters ${wordsOf(which)} for good?`, yes);
      await cli.show(
        (client, options) =>
          client.jobs.dlq.purge(
            { ...selectionOf(which), olderThan: before, limit, confirm: true },
            options,
          ),
        ({ purgedCount }) => `${purgedCount} deleted.`,
      );
    });
}

function selectionOf({ queue, tag, type }: WhichOptions) {
  return { queueName: queue, tag, jobType: type };
}

function wordsOf({ queue, tag, type }: WhichOptions): string {
  const place = queue === undefined ? 'of every queue' : `of the queue ${queue}`;
  const marks = [
    tag !== undefined && ` with the tag ${tag}`,
    type !== undefined && ` of type ${type}`,
  ];
  return [place, ...marks.filter((mark) => mark !== false)].join('');
}
