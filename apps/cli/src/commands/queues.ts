import type { Command } from 'commander';

import { integer, integerOrNone, jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { fields, table } from '../output/table.js';
import { duration, relativeTime, wholeSeconds } from '../output/time.js';

interface ConfigOptions {
  readonly maxRetries?: number;
  readonly defaultTimeout?: string;
  readonly rateLimit?: string;
  readonly settings?: string;
}

interface DeleteOptions {
  readonly deleteJobs?: boolean;
  readonly yes?: boolean;
}

export function addQueues(program: Command, cli: Cli): void {
  const queues = program.command('queues').description('look at and steer queues');

  queues
    .command('list')
    .description('queues by name')
    .action(() =>
      cli.show(
        (client, options) => client.queues.list(options),
        (rows, page) =>
          rows.length === 0
            ? 'No queues.'
            : table(
                rows,
                [
                  { title: 'NAME', of: ({ queueName }) => queueName },
                  {
                    title: 'STATE',
                    of: ({ enabled }) => (enabled ? 'active' : 'paused'),
                    tone: ({ enabled }) => (enabled ? 'good' : 'warning'),
                  },
                  { title: 'RETRIES', of: ({ maxRetries }) => maxRetries, align: 'right' },
                  {
                    title: 'TIMEOUT',
                    of: ({ defaultTimeout }) => duration(defaultTimeout * 1000),
                    align: 'right',
                  },
                  { title: 'PER SECOND', of: ({ rateLimit }) => rateLimit, align: 'right' },
                ],
                page,
              ),
      ),
    );

  queues
    .command('get <name>')
    .description('the configuration of a queue')
    .action((name: string) =>
      cli.show(
        (client, options) => client.queues.get(name, options),
        (queue, page) =>
          fields(
            {
              name: queue.queueName,
              state: queue.enabled ? 'active' : 'paused',
              since: queue.pausedAt == null ? undefined : relativeTime(queue.pausedAt),
              reason: queue.pauseReason ?? undefined,
              retries: queue.maxRetries,
              timeout: duration(queue.defaultTimeout * 1000),
              'per second': queue.rateLimit ?? 'no limit',
              settings: JSON.stringify(queue.settings),
            },
            page,
          ),
      ),
    );

  queues
    .command('stats <name>')
    .description('how a queue is doing')
    .action((name: string) =>
      cli.show(
        (client, options) => client.queues.getStats(name, options),
        (stats, page) =>
          fields(
            {
              queue: stats.queueName,
              pending: stats.pendingJobs,
              processing: stats.processingJobs,
              'completed in 24 h': stats.completedJobs24h,
              'failed in 24 h': stats.failedJobs24h,
              'average time':
                stats.avgProcessingTimeMs === null ? null : duration(stats.avgProcessingTimeMs),
              'oldest waits':
                stats.maxJobAgeSeconds === null ? null : duration(stats.maxJobAgeSeconds * 1000),
              workers: stats.activeWorkers,
            },
            page,
          ),
      ),
    );

  queues
    .command('pause <name>')
    .description('give out no more jobs; enqueueing goes on')
    .option('--reason <text>', 'for who looks at it later')
    .action((name: string, { reason }: { readonly reason?: string }) =>
      cli.show(
        (client, options) => client.queues.pause(name, reason, options),
        () => `${name} is paused.`,
      ),
    );

  queues
    .command('resume <name>')
    .description('give out jobs again')
    .action((name: string) =>
      cli.show(
        (client, options) => client.queues.resume(name, options),
        ({ pausedDurationSecs }) =>
          `${name} goes on, after a pause of ${duration(pausedDurationSecs * 1000)}.`,
      ),
    );

  queues
    .command('config <name>')
    .description('make a queue or change it; what is left out stays')
    .option('--max-retries <n>', '0 to 100', integer)
    .option('--default-timeout <duration>', 'such as 5m')
    .option('--rate-limit <n>', 'jobs given out in a second, or none')
    .option('--settings <json>', 'JSON object, @file, or -; merged key by key')
    .action(async (name: string, given: ConfigOptions) => {
      const settings =
        given.settings === undefined ? undefined : await jsonArgument(given.settings);
      await cli.show(
        (client, options) =>
          client.queues.updateConfig(
            name,
            {
              maxRetries: given.maxRetries,
              defaultTimeout:
                given.defaultTimeout === undefined ? undefined : wholeSeconds(given.defaultTimeout),
              rateLimit: integerOrNone(given.rateLimit),
              settings: settings as Record<string, unknown> | undefined,
            },
            options,
          ),
        () => `${name} is configured.`,
      );
    });

  queues
    .command('delete <name>')
    .description('delete a queue')
    .option('--delete-jobs', 'with all its jobs')
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, { deleteJobs, yes }: DeleteOptions) => {
      const what = deleteJobs ? `${name} and all its jobs` : name;
      await confirmed(`Delete ${what} for good?`, yes);
      await cli.show(
        (client, options) =>
          client.queues.delete(name, deleteJobs ? { deleteJobs: true } : {}, options),
        () => `${name} is deleted.`,
        { queue_name: name, deleted: true },
      );
    });
}
