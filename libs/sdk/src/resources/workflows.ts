import type { CallOptions, Http } from '../http.js';
import type { Body, Query } from '../routes.js';

export class WorkflowsResource {
  readonly jobs: WorkflowJobsResource;

  constructor(private readonly http: Http) {
    this.jobs = new WorkflowJobsResource(http);
  }

  create(body: Body<'workflows', 'create'>, options?: CallOptions) {
    return this.http.call('workflows', 'create', { body }, options);
  }

  list(query?: Query<'workflows', 'list'>, options?: CallOptions) {
    return this.http.call('workflows', 'list', { query }, options);
  }

  get(id: string, options?: CallOptions) {
    return this.http.call('workflows', 'get', { params: { id } }, options);
  }

  cancel(id: string, options?: CallOptions) {
    return this.http.call('workflows', 'cancel', { params: { id } }, options);
  }

  retry(id: string, options?: CallOptions) {
    return this.http.call('workflows', 'retry', { params: { id } }, options);
  }
}

export class WorkflowJobsResource {
  constructor(private readonly http: Http) {}

  list(workflowId: string, options?: CallOptions) {
    return this.http.call('workflows', 'jobs', { params: { id: workflowId } }, options);
  }

  get(workflowId: string, jobId: string, options?: CallOptions) {
    return this.http.call('workflows', 'job', { params: { id: workflowId, jobId } }, options);
  }

  getStatus(workflowId: string, options?: CallOptions) {
    return this.http.call('workflows', 'jobStatuses', { params: { id: workflowId } }, options);
  }

  getDependencies(jobId: string, options?: CallOptions) {
    return this.http.call('dependencies', 'get', { params: { id: jobId } }, options);
  }

  addDependencies(jobId: string, body: Body<'dependencies', 'add'>, options?: CallOptions) {
    return this.http.call('dependencies', 'add', { params: { id: jobId }, body }, options);
  }
}
