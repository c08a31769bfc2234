import type { CallOptions, Http } from '../http.js';
import type { Body } from '../routes.js';

export class OrganizationsResource {
  constructor(
    private readonly http: Http,
    private readonly adminKey: string | undefined,
  ) {}

  /** On the free plan, with its first API key. Needs no credential, but an admin key where registration is closed. */
  create(body: Body<'organizations', 'create'>, options?: CallOptions) {
    const headers = { 'x-admin-key': this.adminKey };
    return this.http.call('organizations', 'create', { body, headers, isPublic: true }, options);
  }

  /** The one of the credential. */
  list(options?: CallOptions) {
    return this.http.call('organizations', 'list', {}, options);
  }

  get(id: string, options?: CallOptions) {
    return this.http.call('organizations', 'get', { params: { id } }, options);
  }

  /** What is left out stays as it is. */
  update(id: string, body: Body<'organizations', 'update'>, options?: CallOptions) {
    return this.http.call('organizations', 'update', { params: { id }, body }, options);
  }

  /** With everything in it. @throws ConflictError while a job, worker or schedule is active. */
  delete(id: string, options?: CallOptions) {
    return this.http.call('organizations', 'delete', { params: { id } }, options);
  }

  /** What is used of the plan. */
  getUsage(options?: CallOptions) {
    return this.http.call('organizations', 'usage', {}, options);
  }

  /** Who acts for the organization: its active keys. */
  getMembers(id: string, options?: CallOptions) {
    return this.http.call('organizations', 'members', { params: { id } }, options);
  }

  getMember(id: string, member: string, options?: CallOptions) {
    return this.http.call('organizations', 'member', { params: { id, member } }, options);
  }

  /** Whether a slug is free. A bad one is an answer, not an error. */
  checkSlug(slug: string, options?: CallOptions) {
    const parts = { query: { slug }, isPublic: true };
    return this.http.call('organizations', 'checkSlug', parts, options);
  }

  /** A free slug from a name. */
  generateSlug(name: string, options?: CallOptions) {
    const parts = { body: { name }, isPublic: true };
    return this.http.call('organizations', 'generateSlug', parts, options);
  }

  /** What custom webhooks are sent with. */
  getWebhookToken(options?: CallOptions) {
    return this.http.call('organizations', 'webhookToken', {}, options);
  }

  /** The old one ends at once. */
  regenerateWebhookToken(options?: CallOptions) {
    return this.http.call('organizations', 'regenerateWebhookToken', {}, options);
  }

  /** Always refused by this server, with a ValidationError: without a token anyone could send webhooks. */
  clearWebhookToken(options?: CallOptions) {
    return this.http.call('organizations', 'clearWebhookToken', {}, options);
  }
}
