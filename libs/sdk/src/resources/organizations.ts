import type { CallOptions, Http } from '../http.js';
import type { Body } from '../routes.js';

export class OrganizationsResource {
  constructor(private readonly http: Http) {}

  /** On the free plan, with its first API key. Needs no credential. */
  create(body: Body<'organizations', 'create'>, options?: CallOptions) {
    return this.http.call('organizations', 'create', { body, isPublic: true }, options);
  }

  /** The one of the credential. */
  list(options?: CallOptions) {
    return this.http.call('organizations', 'list', {}, options);
  }

  get(id: string, options?: CallOptions) {
    return this.http.call('organizations', 'get', { params: { id } }, options);
  }

  /** What is used of the plan. */
  getUsage(options?: CallOptions) {
    return this.http.call('organizations', 'usage', {}, options);
  }
}
