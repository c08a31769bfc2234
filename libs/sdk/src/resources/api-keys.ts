import type { CallOptions, Http } from '../http.js';
import type { Body } from '../routes.js';

export class ApiKeysResource {
  constructor(private readonly http: Http) {}

  list(options?: CallOptions) {
    return this.http.call('apiKeys', 'list', {}, options);
  }

  /** The text of the key is in the answer and nowhere else. */
  create(body: Body<'apiKeys', 'create'>, options?: CallOptions) {
    return this.http.call('apiKeys', 'create', { body }, options);
  }

  get(id: string, options?: CallOptions) {
    return this.http.call('apiKeys', 'get', { params: { id } }, options);
  }

  update(id: string, body: Body<'apiKeys', 'update'>, options?: CallOptions) {
    return this.http.call('apiKeys', 'update', { params: { id }, body }, options);
  }

  /** At once, with every token and stream made from it. */
  revoke(id: string, options?: CallOptions) {
    return this.http.call('apiKeys', 'revoke', { params: { id } }, options);
  }
}
