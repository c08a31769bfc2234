import type { WebhookEventName } from '@spooled/contracts';
import type { Answer } from '@spooled/sdk';
import type { Command } from 'commander';

import { listedOf, textArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { CliError, usageError } from '../exit-code.js';
import { newSecret } from '../listen/delivery.js';
import { toneOf } from '../output/style.js';
import { fields, table, type Page } from '../output/table.js';
import { duration, instantOf, relativeTime } from '../output/time.js';
import { webhookEventNames } from './listen.js';

type Webhook = Answer<'webhooks', 'get'>;

interface SecretOptions {
  readonly secret?: string;
  readonly newSecret?: boolean;
}

interface CreateOptions extends SecretOptions {
  readonly to: string;
  readonly events: readonly WebhookEventName[];
  readonly disabled?: boolean;
}

interface UpdateOptions extends SecretOptions {
  readonly name?: string;
  readonly to?: string;
  readonly events?: readonly WebhookEventName[];
  readonly enabled?: boolean;
  readonly previousUntil?: string;
}

const eventList = listedOf(webhookEventNames);
const eventsHelp = `of ${webhookEventNames.join(', ')}`;
const secretHelp = 'signs deliveries: as it is, @file, or - for stdin';
const newSecretHelp = 'sign with a secret that is made here, and shown once';

export function addWebhooks(program: Command, cli: Cli): void {
  const webhooks = program.command('webhooks').description('events that are sent to URLs');

  webhooks
    .command('list')
    .description('webhooks, newest first')
    .action(() =>
      cli.show(
        (client, options) => client.webhooks.list(options),
        (rows, page) =>
          rows.length === 0
            ? 'No webhooks.'
            : table(
                rows,
                [
                  { title: 'ID', of: ({ id }) => id },
                  { title: 'NAME', of: ({ name }) => name },
                  { title: 'URL', of: ({ url }) => url },
                  { title: 'STATE', of: stateOf, tone: (row) => toneOf(stateOf(row)) },
                  {
                    title: 'LAST',
                    of: ({ lastStatus }) => lastStatus,
                    tone: ({ lastStatus }) => toneOf(lastStatus ?? ''),
                  },
                  { title: 'FAILURES', of: ({ failureCount }) => failureCount, align: 'right' },
                ],
                page,
              ),
      ),
    );

  webhooks
    .command('get <id>')
    .description('everything about a webhook but its secret')
    .action((id: string) =>
      cli.show((client, options) => client.webhooks.get(id, options), describe),
    );

  webhooks
    .command('create <name>')
    .description('have events sent to a URL')
    .requiredOption('--to <url>', 'https, of the public internet')
    .requiredOption('--events <names>', eventsHelp, eventList)
    .option('--secret <secret>', secretHelp)
    .option('--new-secret', newSecretHelp)
    .option('--disabled', 'send nothing yet')
    .action(async (name: string, given: CreateOptions) => {
      const secret = await secretOf(given);
      const { value, body } = await cli.api.ask((client) =>
        client.webhooks.create(
          {
            name,
            url: given.to,
            events: given.events,
            secret: secret?.text,
            enabled: given.disabled === true ? false : undefined,
          },
          { signal: cli.signal },
        ),
      );
      await tell(cli, body, secret, () => value.id);
    });

  webhooks
    .command('update <id>')
    .description('change a webhook; what is left out stays')
    .option('--name <name>')
    .option('--to <url>', 'https, of the public internet')
    .option('--events <names>', eventsHelp, eventList)
    .option('--enabled', 'deliver again, which forgets its failures')
    .option('--no-enabled', 'deliver nothing')
    .option('--secret <secret>', secretHelp)
    .option('--new-secret', newSecretHelp)
    .option('--previous-until <time>', 'so long the secret before signs too: 24h, at most 7d')
    .action(async (id: string, given: UpdateOptions) => {
      const secret = await secretOf(given);
      const { value, body } = await cli.api.ask((client) =>
        client.webhooks.update(
          id,
          {
            name: given.name,
            url: given.to,
            events: given.events,
            enabled: given.enabled,
            secret: secret?.text,
            previousSecretUntil:
              given.previousUntil === undefined
                ? undefined
                : instantOf(given.previousUntil, 'ahead'),
          },
          { signal: cli.signal },
        ),
      );
      await tell(cli, body, secret, (page) => describe(value, page));
    });

  webhooks
    .command('delete <id>')
    .description('delete a webhook, with what was not delivered yet')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { yes }: { readonly yes?: boolean }) => {
      await confirmed(`Delete the webhook ${id}?`, yes);
      await cli.show(
        (client, options) => client.webhooks.delete(id, options),
        () => `${id} is deleted.`,
        { id, deleted: true },
      );
    });

  webhooks
    .command('test <id>')
    .description('send a test now, once; code 1 when it was not taken')
    .action(async (id: string) => {
      const { value, body } = await cli.api.ask((client) =>
        client.webhooks.test(id, { signal: cli.signal }),
      );
      const { success, statusCode, error, responseTimeMs } = value;
      const answer = statusCode === null ? error : `${statusCode}`;
      await cli.output.result(body, ({ paint }) =>
        paint(success ? 'good' : 'bad', `${answer} after ${duration(responseTimeMs)}`),
      );
      if (!success) throw new CliError('The test was not taken.', undefined, 'NOT_TAKEN');
    });

  webhooks
    .command('deliveries <id>')
    .description('its last 100 deliveries, newest first')
    .action((id: string) =>
      cli.show(
        (client, options) => client.webhooks.getDeliveries(id, options),
        (rows, page) =>
          rows.length === 0
            ? 'No deliveries.'
            : table(
                rows,
                [
                  { title: 'ID', of: (row) => row.id },
                  { title: 'EVENT', of: ({ event }) => event },
                  {
                    title: 'STATUS',
                    of: ({ status }) => status,
                    tone: ({ status }) => toneOf(status),
                  },
                  { title: 'CODE', of: ({ statusCode }) => statusCode, align: 'right' },
                  { title: 'ATTEMPTS', of: ({ attempts }) => attempts, align: 'right' },
                  { title: 'CREATED', of: ({ createdAt }) => relativeTime(createdAt) },
                  { title: 'ERROR', of: ({ error }) => error, tone: () => 'bad' },
                ],
                page,
              ),
      ),
    );

  webhooks
    .command('redeliver <id> <delivery>')
    .description('deliver once more, under the same id')
    .action((id: string, delivery: string) =>
      cli.show(
        (client, options) => client.webhooks.retryDelivery(id, delivery, options),
        ({ deliveryId, status }) => `${deliveryId} is ${status}.`,
      ),
    );
}

interface SigningSecret {
  readonly text: string;
  /** Made here, so that nobody knows it yet. */
  readonly isNew: boolean;
}

async function secretOf({ secret, newSecret: isNew }: SecretOptions) {
  if (secret !== undefined && isNew === true) {
    throw usageError('Say --secret or --new-secret, not both.');
  }
  if (isNew === true) return { text: newSecret(), isNew: true };
  return secret === undefined ? undefined : { text: await textArgument(secret), isNew: false };
}

/** The one moment at which a secret is shown. */
function tell(
  { output }: Cli,
  body: unknown,
  secret: SigningSecret | undefined,
  text: (page: Page) => string,
): Promise<void> {
  if (secret?.isNew !== true) return output.result(body, text);
  return output.result(
    { ...(body as object), secret: secret.text },
    (page) =>
      `${text(page)}\n${page.paint('title', 'signing secret')}  ${secret.text}  (shown once)`,
  );
}

const stateOf = ({ enabled }: Webhook): string => (enabled ? 'active' : 'disabled');

function describe(webhook: Webhook, page: Page): string {
  return fields(
    {
      id: webhook.id,
      name: webhook.name,
      url: webhook.url,
      events: webhook.events.join(', '),
      state: stateOf(webhook),
      last: webhook.lastStatus,
      delivered: relativeTime(webhook.lastTriggeredAt),
      failures: webhook.failureCount,
      created: relativeTime(webhook.createdAt),
    },
    page,
  );
}
