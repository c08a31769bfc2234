import type { CallOptions, Http } from '../http.js';
import type { Body } from '../routes.js';

export class BillingResource {
  constructor(private readonly http: Http) {}

  /** The plan, and what is known of its subscription. */
  getStatus(options?: CallOptions) {
    return this.http.call('billing', 'status', {}, options);
  }

  /** The page on which the customer manages payment. @throws SpooledError `FEATURE_DISABLED` without billing. */
  createPortal(body: Body<'billing', 'portal'>, options?: CallOptions) {
    return this.http.call('billing', 'portal', { body }, options);
  }
}
