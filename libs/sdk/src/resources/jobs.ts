import type { bulkItem } from '@spooled/contracts';
import type { z } from 'zod';

import type { CamelInput } from '../camel-case.js';
import type { CallOptions, Http } from '../http.js';
import { newKey } from '../new-key.js';
import type { Answer, Body, Query } from '../routes.js';

export type Job = Answer<'jobs', 'get'>;
export type CreateJobParams = Body<'jobs', 'create'>;
/** The contract checks items one by one, so its schema of the call leaves them open. */
export type BulkEnqueueParams = Omit<Body<'jobs', 'bulk'>, 'jobs'> & {
  readonly jobs: readonly CamelInput<z.input<typeof bulkItem>>[];
};

/** Waits until a job has ended, however it ends. */
export type WaitForJob = (id: string, options?: CallOptions) => Promise<Job>;

export class JobsResource {
  readonly dlq: DeadLettersResource;

  constructor(
    private readonly http: Http,
    private readonly waitForJob: WaitForJob,
  ) {
    this.dlq = new DeadLettersResource(http);
  }

  /** Without an idempotency key it gets a new one, so that a lost answer does not make two jobs. */
  create(params: CreateJobParams, options?: CallOptions) {
    const body = { ...params, idempotencyKey: params.idempotencyKey ?? newKey() };
    return this.http.call('jobs', 'create', { body, isRepeatable: true }, options);
  }

  async createAndGet(params: CreateJobParams, options?: CallOptions): Promise<Job> {
    const { id } = await this.create(params, options);
    return this.get(id, options);
  }

  get(id: string, options?: CallOptions) {
    return this.http.call('jobs', 'get', { params: { id } }, options);
  }

  /** The answer as it was written: a JavaScript number cannot hold every number that JSON can. */
  getText(id: string, options?: CallOptions): Promise<string> {
    return this.http.text('jobs', 'get', { params: { id } }, options);
  }

  /** Why the job is not running, or what has become of it: a sentence, and the numbers behind it. */
  why(id: string, options?: CallOptions) {
    return this.http.call('jobs', 'why', { params: { id } }, options);
  }

  /** What happened to the job, oldest first unless `orderDir` is `desc`. */
  history(id: string, query?: Query<'jobs', 'history'>, options?: CallOptions) {
    return this.http.call('jobs', 'history', { params: { id }, query }, options);
  }

  list(query?: Query<'jobs', 'list'>, options?: CallOptions) {
    return this.http.call('jobs', 'list', { query }, options);
  }

  cancel(id: string, options?: CallOptions) {
    return this.http.call('jobs', 'cancel', { params: { id } }, options);
  }

  retry(id: string, options?: CallOptions) {
    return this.http.call('jobs', 'retry', { params: { id } }, options);
  }

  setPriority(id: string, priority: number, options?: CallOptions) {
    return this.http.call('jobs', 'setPriority', { params: { id }, body: { priority } }, options);
  }

  /** The published client's name of `setPriority`. */
  boostPriority(id: string, priority: number, options?: CallOptions) {
    return this.setPriority(id, priority, options);
  }

  stats(query?: Query<'jobs', 'stats'>, options?: CallOptions) {
    return this.http.call('jobs', 'stats', { query }, options);
  }

  /** The published client's name of `stats`. */
  getStats(query?: Query<'jobs', 'stats'>, options?: CallOptions) {
    return this.stats(query, options);
  }

  /** Of up to 100 jobs; unknown ones are left out. */
  batchStatus(ids: readonly string[], options?: CallOptions) {
    return this.http.call('jobs', 'status', { query: { ids: ids.join(',') } }, options);
  }

  /** Up to 100 jobs; each without an idempotency key gets a new one. */
  bulkEnqueue(params: BulkEnqueueParams, options?: CallOptions) {
    const jobs = params.jobs.map((item) => ({
      ...item,
      idempotencyKey: item.idempotencyKey ?? newKey(),
    }));
    const body = { ...params, jobs };
    return this.http.call('jobs', 'bulk', { body, isRepeatable: true }, options);
  }

  /** Cancels what has not begun of the jobs that match a filter; `hasMore` says whether to ask again. */
  bulkCancel(body: Body<'jobs', 'bulkCancel'>, options?: CallOptions) {
    return this.http.call('jobs', 'bulkCancel', { body }, options);
  }

  /** Retries what was given up of the jobs that match a filter. */
  bulkRetry(body: Body<'jobs', 'bulkRetry'>, options?: CallOptions) {
    return this.http.call('jobs', 'bulkRetry', { body }, options);
  }

  /** Changes the priority of what has not begun of the jobs that match a filter. */
  bulkSetPriority(body: Body<'jobs', 'bulkSetPriority'>, options?: CallOptions) {
    return this.http.call('jobs', 'bulkSetPriority', { body }, options);
  }

  /** With `waitSecs` the call is held until there is a job; its time limit is then that much longer. */
  claim(body: Body<'jobs', 'claim'>, options: CallOptions = {}) {
    const timeoutMs = options.timeoutMs ?? 30_000 + (body.waitSecs ?? 0) * 1000;
    return this.http.call('jobs', 'claim', { body }, { ...options, timeoutMs });
  }

  complete(id: string, body: Body<'jobs', 'complete'>, options?: CallOptions) {
    return this.http.call('jobs', 'complete', { params: { id }, body }, options);
  }

  fail(id: string, body: Body<'jobs', 'fail'>, options?: CallOptions) {
    return this.http.call('jobs', 'fail', { params: { id }, body }, options);
  }

  /** Renews the lease. */
  heartbeat(id: string, body: Body<'jobs', 'heartbeat'>, options?: CallOptions) {
    return this.http.call('jobs', 'heartbeat', { params: { id }, body }, options);
  }

  progress(id: string, body: Body<'jobs', 'progress'>, options?: CallOptions) {
    return this.http.call('jobs', 'progress', { params: { id }, body }, options);
  }

  appendLogs(id: string, body: Body<'jobs', 'appendLogs'>, options?: CallOptions) {
    return this.http.call('jobs', 'appendLogs', { params: { id }, body }, options);
  }

  logs(id: string, query?: Query<'jobs', 'logs'>, options?: CallOptions) {
    return this.http.call('jobs', 'logs', { params: { id }, query }, options);
  }

  dependencies(id: string, options?: CallOptions) {
    return this.http.call('dependencies', 'get', { params: { id } }, options);
  }

  addDependencies(id: string, body: Body<'dependencies', 'add'>, options?: CallOptions) {
    return this.http.call('dependencies', 'add', { params: { id }, body }, options);
  }

  /** The job once it is completed, dead-lettered or cancelled. @throws NotFoundError when there is no such job. */
  wait(id: string, options?: CallOptions): Promise<Job> {
    return this.waitForJob(id, options);
  }
}

export class DeadLettersResource {
  constructor(private readonly http: Http) {}

  list(query?: Query<'deadLetters', 'list'>, options?: CallOptions) {
    return this.http.call('deadLetters', 'list', { query }, options);
  }

  retry(body?: Body<'deadLetters', 'retry'>, options?: CallOptions) {
    return this.http.call('deadLetters', 'retry', { body }, options);
  }

  purge(body: Body<'deadLetters', 'purge'>, options?: CallOptions) {
    return this.http.call('deadLetters', 'purge', { body }, options);
  }
}
