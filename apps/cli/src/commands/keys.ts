import type { Answer } from '@spooled/sdk';
import type { Command } from 'commander';

import { integer, integerOrNone, listed } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { toneOf } from '../output/style.js';
import { fields, table, type Page } from '../output/table.js';
import { instantOf, relativeTime } from '../output/time.js';

type Key = Answer<'apiKeys', 'get'>;

interface CreateOptions {
  readonly queues?: readonly string[];
  readonly rateLimit?: number;
  readonly expires?: string;
}

interface UpdateOptions {
  readonly name?: string;
  readonly queues?: readonly string[];
  readonly rateLimit?: string;
  readonly active?: boolean;
}

export function addKeys(program: Command, cli: Cli): void {
  const keys = program.command('keys').description('API keys, and tickets for browsers');

  keys
    .command('list')
    .description('the newest 100 keys, revoked ones too')
    .action(() =>
      cli.show(
        (client, options) => client.apiKeys.list(options),
        (rows, page) =>
          rows.length === 0
            ? 'No keys.'
            : table(
                rows,
                [
                  { title: 'ID', of: ({ id }) => id },
                  { title: 'NAME', of: ({ name }) => name },
                  { title: 'QUEUES', of: queuesOf },
                  { title: 'STATE', of: stateOf, tone: (row) => toneOf(stateOf(row)) },
                  { title: 'USED', of: ({ lastUsed }) => relativeTime(lastUsed) },
                  { title: 'EXPIRES', of: ({ expiresAt }) => relativeTime(expiresAt) },
                ],
                page,
              ),
      ),
    );

  keys
    .command('get <id>')
    .description('everything about a key but its text')
    .action((id: string) =>
      cli.show((client, options) => client.apiKeys.get(id, options), describe),
    );

  keys
    .command('create <name>')
    .description('make a key; its text is shown once')
    .option('--queues <names>', 'of these queues only; default: every queue', listed)
    .option('--rate-limit <n>', 'requests per minute of this key', integer)
    .option('--expires <time>', 'not good after: 90d, or RFC 3339')
    .action((name: string, { expires, ...given }: CreateOptions) =>
      cli.show(
        (client, options) =>
          client.apiKeys.create(
            {
              ...given,
              name,
              expiresAt: expires === undefined ? undefined : instantOf(expires, 'ahead'),
            },
            options,
          ),
        ({ id, key }, page) => fields({ id, key: `${key}  (shown once)` }, page),
      ),
    );

  keys
    .command('update <id>')
    .description('change a key; what is left out stays')
    .option('--name <name>')
    .option('--queues <names>', 'of these queues only; * = every queue', listed)
    .option('--rate-limit <n>', 'requests per minute of this key, or none')
    .option('--active', 'let a revoked key in again')
    .option('--no-active', 'let it in no more')
    .action((id: string, { active, rateLimit, ...given }: UpdateOptions) =>
      cli.show(
        (client, options) =>
          client.apiKeys.update(
            id,
            { ...given, rateLimit: integerOrNone(rateLimit), isActive: active },
            options,
          ),
        describe,
      ),
    );

  keys
    .command('revoke <id>')
    .description('end a key at once, with its tokens and streams')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { yes }: { readonly yes?: boolean }) => {
      await confirmed(`Revoke the key ${id}?`, yes);
      await cli.show(
        (client, options) => client.apiKeys.revoke(id, options),
        () => `${id} is revoked.`,
        { id, revoked: true },
      );
    });

  keys
    .command('ticket')
    .description('a ticket that opens one stream within 30 s, for a browser')
    .option('-q, --queue <name>', 'for events of this queue only')
    .option('--job <id>', 'for events of this job only')
    .action(({ queue, job }: { readonly queue?: string; readonly job?: string }) =>
      cli.show(
        (client, options) => client.auth.createTicket({ queue, jobId: job }, options),
        ({ ticket }) => ticket,
      ),
    );
}

const stateOf = ({ isActive }: Key): string => (isActive ? 'active' : 'revoked');
const queuesOf = ({ queues }: Key): string =>
  queues.length === 0 ? 'every queue' : queues.join(', ');

function describe(key: Key, page: Page): string {
  return fields(
    {
      id: key.id,
      name: key.name,
      queues: queuesOf(key),
      'per minute': key.rateLimit ?? 'no limit',
      state: stateOf(key),
      used: relativeTime(key.lastUsed),
      created: relativeTime(key.createdAt),
      expires: relativeTime(key.expiresAt),
    },
    page,
  );
}
