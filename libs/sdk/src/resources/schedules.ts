import type { CallOptions, Http } from '../http.js';
import type { Body, Query } from '../routes.js';

export class SchedulesResource {
  constructor(private readonly http: Http) {}

  list(query?: Query<'schedules', 'list'>, options?: CallOptions) {
    return this.http.call('schedules', 'list', { query }, options);
  }

  create(body: Body<'schedules', 'create'>, options?: CallOptions) {
    return this.http.call('schedules', 'create', { body }, options);
  }

  get(id: string, options?: CallOptions) {
    return this.http.call('schedules', 'get', { params: { id } }, options);
  }

  update(id: string, body: Body<'schedules', 'update'>, options?: CallOptions) {
    return this.http.call('schedules', 'update', { params: { id }, body }, options);
  }

  delete(id: string, options?: CallOptions) {
    return this.http.call('schedules', 'delete', { params: { id } }, options);
  }

  pause(id: string, options?: CallOptions) {
    return this.http.call('schedules', 'pause', { params: { id } }, options);
  }

  resume(id: string, options?: CallOptions) {
    return this.http.call('schedules', 'resume', { params: { id } }, options);
  }

  /** Makes a job of the schedule now. */
  trigger(id: string, options?: CallOptions) {
    return this.http.call('schedules', 'trigger', { params: { id } }, options);
  }

  getHistory(id: string, query?: Query<'schedules', 'history'>, options?: CallOptions) {
    return this.http.call('schedules', 'history', { params: { id }, query }, options);
  }
}
