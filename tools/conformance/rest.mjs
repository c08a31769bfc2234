/** The REST calls that make something happen. */
import { setTimeout as delay } from 'node:timers/promises';

import { patient } from './patience.mjs';
import { Refusal } from './refusal.mjs';

const TIMEOUT_MS = 10_000;
const MAX_TRIES = 8;

/** Small plans allow few calls a second: being told to wait is no breach. @throws Refusal when waiting will not help */
export async function patiently(call) {
  for (let tries = 1; ; tries++) {
    const response = await call();
    if (response.status !== 429 || tries === MAX_TRIES) return response;
    const refusal = new Refusal(response.status, await response.text(), 'the call');
    if (refusal.code === 'QUOTA_EXCEEDED') throw refusal;
    await delay(1000 * Math.min(5, Number(response.headers.get('retry-after') ?? 1)));
  }
}

export class Rest {
  constructor(baseUrl, credential) {
    this.baseUrl = baseUrl;
    this.credential = credential;
  }

  as(credential) {
    return new Rest(this.baseUrl, credential);
  }

  /** The body of the answer. @throws Refusal when its status is not 2xx */
  async call(method, path, body) {
    const response = await patiently(() =>
      fetch(`${this.baseUrl}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.credential}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(patient(TIMEOUT_MS)),
      }),
    );
    const text = await response.text();
    if (!response.ok) throw new Refusal(response.status, text, `${method} ${path}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async enqueue(queue, options = {}) {
    const body = { queue_name: queue, payload: {}, ...options };
    return (await this.call('POST', '/jobs', body)).id;
  }

  /** The ids, in order. */
  async enqueueMany(queue, count) {
    const jobs = Array.from({ length: count }, () => ({ payload: {} }));
    const { succeeded, failed } = await this.call('POST', '/jobs/bulk', {
      queue_name: queue,
      jobs,
    });
    if (failed.length > 0) throw new Error(`jobs were not taken: ${failed[0].error}`);
    return succeeded.map(({ job_id }) => job_id);
  }

  async claim(queue, limit = 1, options = {}) {
    const body = { queue_name: queue, worker_id: WORKER, limit, ...options };
    return (await this.call('POST', '/jobs/claim', body)).jobs;
  }

  complete(job, result = { ok: true }) {
    const body = { worker_id: WORKER, lease_id: job.lease_id, result };
    return this.call('POST', `/jobs/${job.id}/complete`, body);
  }

  fail(job, error = 'as planned') {
    const body = { worker_id: WORKER, lease_id: job.lease_id, error };
    return this.call('POST', `/jobs/${job.id}/fail`, body);
  }

  reportProgress(job, percent, message) {
    const body = { worker_id: WORKER, lease_id: job.lease_id, percent, message };
    return this.call('POST', `/jobs/${job.id}/progress`, body);
  }

  appendLog(job, lines) {
    const body = { worker_id: WORKER, lease_id: job.lease_id, lines };
    return this.call('POST', `/jobs/${job.id}/logs`, body);
  }

  cancel(id) {
    return this.call('DELETE', `/jobs/${id}`);
  }

  registerWorker(queue) {
    const body = { queue_name: queue, hostname: 'conformance' };
    return this.call('POST', '/workers/register', body).then(({ id }) => id);
  }

  heartbeat(worker) {
    return this.call('POST', `/workers/${worker}/heartbeat`, { current_jobs: 0 });
  }

  deregisterWorker(worker) {
    return this.call('POST', `/workers/${worker}/deregister`);
  }

  async ticket(narrowing = {}) {
    return (await this.call('POST', '/auth/tickets', narrowing)).ticket;
  }

  async login() {
    const body = { api_key: this.credential };
    return (await this.call('POST', '/auth/login', body)).access_token;
  }
}

const WORKER = 'conformance-worker';
