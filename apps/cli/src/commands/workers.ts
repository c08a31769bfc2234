import type { Command } from 'commander';
import { hostname } from 'node:os';

import { integer, jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { toneOf } from '../output/style.js';
import { fields, table } from '../output/table.js';
import { relativeTime } from '../output/time.js';

interface RegisterOptions {
  readonly queue: string;
  readonly hostname: string;
  readonly concurrency?: number;
  readonly type?: string;
  readonly metadata?: string;
}

export function addWorkers(program: Command, cli: Cli): void {
  const workers = program.command('workers').description('look at workers, and be one');

  workers
    .command('list')
    .description('registered workers')
    .action(() =>
      cli.show(
        (client, options) => client.workers.list(options),
        (rows, page) =>
          rows.length === 0
            ? 'No workers.'
            : table(
                rows,
                [
                  { title: 'ID', of: ({ id }) => id },
                  { title: 'QUEUE', of: ({ queueName }) => queueName },
                  { title: 'HOST', of: ({ hostname }) => hostname },
                  {
                    title: 'STATUS',
                    of: ({ status }) => status,
                    tone: ({ status }) => toneOf(status),
                  },
                  {
                    title: 'JOBS',
                    of: ({ currentJobs, maxConcurrency }) => `${currentJobs}/${maxConcurrency}`,
                    align: 'right',
                  },
                  { title: 'SEEN', of: ({ lastHeartbeat }) => relativeTime(lastHeartbeat) },
                ],
                page,
              ),
      ),
    );

  workers
    .command('get <id>')
    .description('everything about a worker')
    .action((id: string) =>
      cli.show(
        (client, options) => client.workers.get(id, options),
        (worker, page) =>
          fields(
            {
              id: worker.id,
              queue: worker.queueName,
              host: worker.hostname,
              status: worker.status,
              jobs: `${worker.currentJobs} of ${worker.maxConcurrency}`,
              seen: relativeTime(worker.lastHeartbeat),
              registered: relativeTime(worker.registeredAt),
              type: worker.workerType,
              version: worker.version,
              metadata: JSON.stringify(worker.metadata),
            },
            page,
          ),
      ),
    );

  workers
    .command('register')
    .description('register a worker; it is gone after two minutes without a heartbeat')
    .requiredOption('-q, --queue <name>', 'where its jobs come from')
    .option('--hostname <name>', 'default: of this machine', hostname())
    .option('--concurrency <n>', 'so many jobs at a time', integer)
    .option('--type <name>', 'what kind of worker it is')
    .option('--metadata <json>', 'JSON object, @file, or -')
    .action(async ({ queue, concurrency, type, metadata, ...given }: RegisterOptions) => {
      const parsed = metadata === undefined ? undefined : await jsonArgument(metadata);
      await cli.show(
        (client, options) =>
          client.workers.register(
            {
              ...given,
              queueName: queue,
              maxConcurrency: concurrency,
              workerType: type,
              metadata: parsed as Record<string, unknown> | undefined,
            },
            options,
          ),
        ({ id }) => id,
      );
    });

  workers
    .command('heartbeat <id>')
    .description('say that a worker is alive')
    .option('--jobs <n>', 'so many it has now', integer, 0)
    .action((id: string, { jobs }: { readonly jobs: number }) =>
      cli.show(
        (client, options) => client.workers.heartbeat(id, { currentJobs: jobs }, options),
        () => `${id} is alive.`,
        { id, alive: true },
      ),
    );

  workers
    .command('deregister <id>')
    .description('take a worker off; its jobs go back to pending')
    .action((id: string) =>
      cli.show(
        (client, options) => client.workers.deregister(id, options),
        () => `${id} is taken off.`,
        { id, deregistered: true },
      ),
    );
}
