import type { CallOptions, Http, RequestParts } from '../http.js';
import type { Answer, Body, Query, Routes } from '../routes.js';

/** Administration of the platform. The server refuses all of it while it has no admin key. */
export class AdminResource {
  constructor(
    private readonly http: Http,
    private readonly adminKey: string | undefined,
  ) {}

  /** With what each uses. */
  listOrganizations(query?: Query<'admin', 'listOrganizations'>, options?: CallOptions) {
    return this.call('listOrganizations', { query }, options);
  }

  /** Also one that was deleted softly. */
  getOrganization(id: string, options?: CallOptions) {
    return this.call('getOrganization', { params: { id } }, options);
  }

  /** On any plan, whatever the registration mode. */
  createOrganization(body: Body<'admin', 'createOrganization'>, options?: CallOptions) {
    return this.call('createOrganization', { body }, options);
  }

  /** Holds from the next request on. */
  updateOrganization(id: string, body: Body<'admin', 'updateOrganization'>, options?: CallOptions) {
    return this.call('updateOrganization', { params: { id }, body }, options);
  }

  /** Softly, which ends every credential; or, with `hardDelete`, everything in it. */
  deleteOrganization(
    id: string,
    query?: Query<'admin', 'deleteOrganization'>,
    options?: CallOptions,
  ) {
    return this.call('deleteOrganization', { params: { id }, query }, options);
  }

  /** The jobs that were enqueued today become none. */
  resetUsage(id: string, options?: CallOptions) {
    return this.call('resetUsage', { params: { id } }, options);
  }

  createApiKey(id: string, body: Body<'admin', 'createKey'>, options?: CallOptions) {
    return this.call('createKey', { params: { id }, body }, options);
  }

  /** Counts of the whole platform. */
  getStats(options?: CallOptions) {
    return this.call('stats', {}, options);
  }

  /** The plan table. */
  listPlans(options?: CallOptions) {
    return this.call('plans', {}, options);
  }

  private call<R extends keyof Routes['admin']>(
    name: R,
    parts: RequestParts,
    options: CallOptions | undefined,
  ): Promise<Answer<'admin', R>> {
    const headers = { 'x-admin-key': this.adminKey };
    return this.http.call('admin', name, { ...parts, headers, isPublic: true }, options);
  }
}
