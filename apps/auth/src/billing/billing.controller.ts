import { Injectable } from '@nestjs/common';
import { billingApi } from '@spooled/contracts';
import { Route, withStatus, type RequestOf } from '@spooled/http';
import { BillingService } from './billing.service.js';

/** Edge: payment. */
@Injectable()
export class BillingController {
  constructor(private readonly billing: BillingService) {}

  @Route(billingApi.status)
  status({ principal }: RequestOf<typeof billingApi.status>) {
    return this.billing.status(principal);
  }

  @Route(billingApi.portal)
  async portal({ principal, body }: RequestOf<typeof billingApi.portal>) {
    const url = await this.billing.portal(principal, body.return_url);
    return url === null ? notConfigured() : { url };
  }

  @Route(billingApi.webhook)
  async webhook({ headers, body }: RequestOf<typeof billingApi.webhook>) {
    const isConfigured = await this.billing.hear(body, headers['stripe-signature']);
    return isConfigured ? { received: true } : notConfigured();
  }
}

/** The code means 403 elsewhere: there it is the plan that does not include something. */
function notConfigured() {
  return withStatus(501, {
    code: 'FEATURE_DISABLED',
    error: 'feature_disabled',
    message: 'Billing is not configured.',
  });
}
