import type { CallOptions, Http } from '../http.js';
import type { Body } from '../routes.js';

/** For who writes a worker himself; `SpooledWorker` does all of this. */
export class WorkersResource {
  constructor(private readonly http: Http) {}

  list(options?: CallOptions) {
    return this.http.call('workers', 'list', {}, options);
  }

  get(id: string, options?: CallOptions) {
    return this.http.call('workers', 'get', { params: { id } }, options);
  }

  register(body: Body<'workers', 'register'>, options?: CallOptions) {
    return this.http.call('workers', 'register', { body }, options);
  }

  heartbeat(id: string, body: Body<'workers', 'heartbeat'>, options?: CallOptions) {
    return this.http.call('workers', 'heartbeat', { params: { id }, body }, options);
  }

  deregister(id: string, options?: CallOptions) {
    return this.http.call('workers', 'deregister', { params: { id } }, options);
  }
}
