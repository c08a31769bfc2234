import type { Command } from 'commander';

import { integer } from '../arguments.js';
import type { Cli } from '../cli.js';
import { table } from '../output/table.js';
import { instantOf, relativeTime } from '../output/time.js';

interface AuditOptions {
  readonly since?: string;
  readonly until?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly limit?: number;
  readonly offset?: number;
}

export function addAudit(program: Command, cli: Cli): void {
  program
    .command('audit')
    .description('what was administered or destroyed, newest first')
    .option('--since <time>', 'not before: 7d, or RFC 3339')
    .option('--until <time>', 'before: 1h, or RFC 3339')
    .option('--actor <who>', 'id of an API key, admin or system')
    .option('--action <name>', 'such as key.revoked')
    .option('-n, --limit <n>', '1 to 100', integer, 20)
    .option('--offset <n>', 'leave out so many', integer)
    .action(({ since, until, ...query }: AuditOptions) =>
      cli.show(
        (client, options) =>
          client.audit.list(
            {
              ...query,
              since: since === undefined ? undefined : instantOf(since, 'ago'),
              until: until === undefined ? undefined : instantOf(until, 'ago'),
            },
            options,
          ),
        (rows, page) =>
          rows.length === 0
            ? 'No entries.'
            : table(
                rows,
                [
                  { title: 'WHEN', of: ({ occurredAt }) => relativeTime(occurredAt) },
                  { title: 'WHO', of: ({ actorType, actorId }) => actorId ?? actorType },
                  { title: 'ACTION', of: ({ action }) => action },
                  { title: 'TARGET', of: ({ target }) => target },
                  { title: 'DETAILS', of: ({ details }) => JSON.stringify(details) },
                ],
                page,
              ),
      ),
    );
}
