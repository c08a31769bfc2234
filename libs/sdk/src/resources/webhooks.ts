import type { CallOptions, Http } from '../http.js';
import type { Body } from '../routes.js';

const DAY_MS = 86_400_000;

/** Outgoing webhooks: events that are sent to a URL. */
export class WebhooksResource {
  constructor(private readonly http: Http) {}

  list(options?: CallOptions) {
    return this.http.call('webhooks', 'list', {}, options);
  }

  create(body: Body<'webhooks', 'create'>, options?: CallOptions) {
    return this.http.call('webhooks', 'create', { body }, options);
  }

  /** Its secret is never shown. */
  get(id: string, options?: CallOptions) {
    return this.http.call('webhooks', 'get', { params: { id } }, options);
  }

  /** What is left out stays as it is; enabling it again forgets its failures. */
  update(id: string, body: Body<'webhooks', 'update'>, options?: CallOptions) {
    return this.http.call('webhooks', 'update', { params: { id }, body }, options);
  }

  /** A new secret. The one before it signs too until then, at most 7 days; a day unless said otherwise. */
  rotateSecret(
    id: string,
    secret: string,
    previousSecretUntil: string | Date = new Date(Date.now() + DAY_MS),
    options?: CallOptions,
  ) {
    return this.update(id, { secret, previousSecretUntil }, options);
  }

  /** What was not delivered yet is dropped. */
  delete(id: string, options?: CallOptions) {
    return this.http.call('webhooks', 'delete', { params: { id } }, options);
  }

  /** Sends a test now, once. That it was not taken is an answer, not an error. */
  test(id: string, options?: CallOptions) {
    return this.http.call('webhooks', 'test', { params: { id } }, options);
  }

  /** The last 100, newest first. */
  getDeliveries(id: string, options?: CallOptions) {
    return this.http.call('webhooks', 'deliveries', { params: { id } }, options);
  }

  /** Once more, under the same id, with as many attempts as a new delivery. */
  retryDelivery(id: string, deliveryId: string, options?: CallOptions) {
    const params = { id, delivery_id: deliveryId };
    return this.http.call('webhooks', 'redeliver', { params }, options);
  }
}
