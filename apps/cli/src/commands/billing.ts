import type { Command } from 'commander';

import type { Cli } from '../cli.js';
import { fields } from '../output/table.js';
import { harmless } from '../output/text.js';
import { relativeTime } from '../output/time.js';

export function addBilling(program: Command, cli: Cli): void {
  const billing = program.command('billing').description('the plan and its payment');

  billing
    .command('status')
    .description('the plan, and what is known of its subscription')
    .action(() =>
      cli.show(
        (client, options) => client.billing.getStatus(options),
        (status, page) =>
          fields(
            {
              plan: status.planTier,
              customer: status.hasStripeCustomer ? 'yes' : 'no',
              subscription: status.stripeSubscriptionId,
              status: status.stripeSubscriptionStatus,
              [status.stripeCancelAtPeriodEnd === true ? 'ends' : 'renews']: relativeTime(
                status.stripeCurrentPeriodEnd,
              ),
            },
            page,
          ),
      ),
    );

  billing
    .command('portal')
    .description('a link to the page on which payment is managed; whoever has it may do so')
    .option('--return-url <url>', 'where the page leads back to; default: the server')
    .action(({ returnUrl = cli.account.url }: { readonly returnUrl?: string }) =>
      cli.show(
        (client, options) => client.billing.createPortal({ returnUrl }, options),
        ({ url }) => harmless(url),
      ),
    );
}
