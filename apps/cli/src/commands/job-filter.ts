/** Which jobs a command is about: the same options for lists and for what is done to all that match. */
import type { Job } from '@spooled/sdk';
import type { Command } from 'commander';

import { listedOf } from '../arguments.js';
import { instantOf } from '../output/time.js';

const jobStates: readonly Job['status'][] = [
  'pending',
  'scheduled',
  'processing',
  'completed',
  'failed',
  'deadletter',
  'cancelled',
];

export interface FilterOptions {
  readonly queue?: string;
  readonly status?: Job['status'][];
  readonly tag?: string;
  readonly type?: string;
  readonly search?: string;
  readonly since?: string;
  readonly until?: string;
}

export function withFilter(command: Command): Command {
  return command
    .option('-q, --queue <name>', 'of this queue only')
    .option('-s, --status <names>', 'in these states only', listedOf(jobStates))
    .option('--tag <tag>', 'with this tag only')
    .option('--type <name>', 'with this `job_type` in the payload only')
    .option('--search <text>', 'beginning of the id, idempotency key, tag, part of queue or type')
    .option('--since <time>', 'enqueued not before: 2h, or RFC 3339')
    .option('--until <time>', 'enqueued before: 7d, or RFC 3339');
}

/** As the server takes it; what was not asked for is not in it. */
export function filterOf({ queue, status, tag, type, search, since, until }: FilterOptions) {
  return {
    ...(queue !== undefined && { queueName: queue }),
    ...(status !== undefined && { status }),
    ...(tag !== undefined && { tag }),
    ...(type !== undefined && { jobType: type }),
    ...(search !== undefined && { q: search }),
    ...(since !== undefined && { createdAfter: instantOf(since, 'ago').toISOString() }),
    ...(until !== undefined && { createdBefore: instantOf(until, 'ago').toISOString() }),
  };
}
