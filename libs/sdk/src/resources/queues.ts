import type { CallOptions, Http } from '../http.js';
import type { Body, Query } from '../routes.js';

export class QueuesResource {
  constructor(private readonly http: Http) {}

  list(options?: CallOptions) {
    return this.http.call('queues', 'list', {}, options);
  }

  get(name: string, options?: CallOptions) {
    return this.http.call('queues', 'get', { params: { name } }, options);
  }

  /** Creates the queue or changes it; what is left out keeps its value. */
  updateConfig(name: string, body: Body<'queues', 'configure'>, options?: CallOptions) {
    return this.http.call('queues', 'configure', { params: { name }, body }, options);
  }

  getStats(name: string, options?: CallOptions) {
    return this.http.call('queues', 'stats', { params: { name } }, options);
  }

  pause(name: string, reason?: string, options?: CallOptions) {
    return this.http.call('queues', 'pause', { params: { name }, body: { reason } }, options);
  }

  resume(name: string, options?: CallOptions) {
    return this.http.call('queues', 'resume', { params: { name } }, options);
  }

  delete(name: string, query?: Query<'queues', 'delete'>, options?: CallOptions) {
    return this.http.call('queues', 'delete', { params: { name }, query }, options);
  }
}
