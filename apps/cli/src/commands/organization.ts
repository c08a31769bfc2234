import type { Answer } from '@spooled/sdk';
import type { Command } from 'commander';

import { jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { CliError } from '../exit-code.js';
import { fields, table, type Page } from '../output/table.js';
import { words } from '../output/text.js';
import { relativeTime } from '../output/time.js';

type Organization = Answer<'organizations', 'get'>;

interface UpdateOptions {
  readonly name?: string;
  readonly billingEmail?: string;
  readonly settings?: string;
  readonly description?: string;
  readonly logoUrl?: string;
}

export function addOrganization(program: Command, cli: Cli): void {
  const organization = program
    .command('organization')
    .description('whom the key belongs to, and what is used');

  organization
    .command('get')
    .description('everything about the organization; settings only with --json')
    .action(async () => {
      const { id } = await ownOrganization(cli);
      await cli.show((client, options) => client.organizations.get(id, options), describe);
    });

  organization
    .command('update')
    .description('change the organization; what is left out stays')
    .option('--name <name>')
    .option('--billing-email <address>', 'or none')
    .option('--settings <json>', 'JSON object, @file, or -; replaces what is there')
    .option('--description <text>')
    .option('--logo-url <url>')
    .action(async ({ settings, billingEmail, ...given }: UpdateOptions) => {
      const changed = settings === undefined ? undefined : await jsonArgument(settings);
      const { id } = await ownOrganization(cli);
      await cli.show(
        (client, options) =>
          client.organizations.update(
            id,
            {
              ...given,
              billingEmail: billingEmail === 'none' ? null : billingEmail,
              settings: changed as Record<string, unknown> | undefined,
            },
            options,
          ),
        describe,
      );
    });

  organization
    .command('usage')
    .description('what is used of the plan')
    .action(() =>
      cli.show(
        (client, options) => client.organizations.getUsage(options),
        ({ planDisplayName, usage, warnings }, page) =>
          [
            `${page.paint('title', 'plan')}  ${planDisplayName}`,
            '',
            table(
              Object.entries(usage),
              [
                { title: 'WHAT', of: ([name]) => words(name) },
                { title: 'USED', of: ([, { current }]) => current, align: 'right' },
                {
                  title: 'LIMIT',
                  of: ([, { limit, isDisabled }]) =>
                    isDisabled ? 'not in the plan' : (limit ?? 'none'),
                  align: 'right',
                },
              ],
              page,
            ),
            ...warnings.map(({ message, severity }) =>
              page.paint(severity === 'critical' ? 'bad' : 'warning', message),
            ),
          ].join('\n'),
      ),
    );

  organization
    .command('members')
    .description('who acts for it: its active keys')
    .action(async () => {
      const { id } = await ownOrganization(cli);
      await cli.show(
        (client, options) => client.organizations.getMembers(id, options),
        (rows, page) =>
          table(
            rows,
            [
              { title: 'ID', of: (row) => row.id },
              { title: 'NAME', of: ({ name }) => name },
              { title: 'ROLE', of: ({ role }) => role },
              { title: 'SINCE', of: ({ joinedAt }) => relativeTime(joinedAt) },
            ],
            page,
          ),
      );
    });

  organization
    .command('webhook-token')
    .description('what custom webhooks are sent with: a secret')
    .option('--regenerate', 'a new one; the old one ends at once')
    .option('-y, --yes', 'do not ask')
    .action(async (given: { readonly regenerate?: boolean; readonly yes?: boolean }) => {
      const isNew = given.regenerate === true;
      if (isNew) await confirmed('End the webhook token that is used now?', given.yes);
      await cli.show(
        ({ organizations }, options) =>
          isNew
            ? organizations.regenerateWebhookToken(options)
            : organizations.getWebhookToken(options),
        ({ webhookToken, webhookUrl }, page) =>
          fields({ token: webhookToken, url: webhookUrl }, page),
      );
    });

  organization
    .command('delete')
    .description('delete the organization and everything in it')
    .option('-y, --yes', 'do not ask')
    .action(async ({ yes }: { readonly yes?: boolean }) => {
      const own = await ownOrganization(cli);
      await confirmed(`Delete ${own.name} and everything in it for good?`, yes);
      await cli.show(
        (client, options) => client.organizations.delete(own.id, options),
        () => `${own.name} is deleted.`,
        { id: own.id, deleted: true },
      );
    });
}

/** A key belongs to one organization. */
async function ownOrganization({ client, signal }: Cli) {
  const [own] = await client.organizations.list({ signal });
  if (own === undefined) throw new CliError('The key belongs to no organization.');
  return own;
}

function describe(organization: Organization, page: Page): string {
  return fields(
    {
      id: organization.id,
      name: organization.name,
      slug: organization.slug,
      plan: organization.planTier,
      'billing address': organization.billingEmail,
      limits:
        organization.customLimits === null ? undefined : JSON.stringify(organization.customLimits),
      created: relativeTime(organization.createdAt),
    },
    page,
  );
}
