import type { CallOptions, Http } from '../http.js';
import type { Query } from '../routes.js';

export class AuditResource {
  constructor(private readonly http: Http) {}

  /** What was administered or destroyed in the organization, newest first. */
  list(query?: Query<'audit', 'list'>, options?: CallOptions) {
    return this.http.call('audit', 'list', { query }, options);
  }
}
