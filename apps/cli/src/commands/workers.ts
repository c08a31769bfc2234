import type { Command } from 'commander';

import type { Cli } from '../cli.js';
import { toneOf } from '../output/style.js';
import { fields, table } from '../output/table.js';
import { relativeTime } from '../output/time.js';

export function addWorkers(program: Command, cli: Cli): void {
  const workers = program.command('workers').description('look at workers');

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
}
