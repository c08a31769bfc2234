/** Plain HTTP, as a client without an SDK speaks it. */
import type { BatchStatus, ClaimedJob, Job, JobSummary } from '@spooled/contracts';

import type { Entrance } from './host.js';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when it is JSON, `undefined` when there is none. */
  readonly body: T;
  /** @throws Error with the body. */
  expectStatus(status: number): void;
}

export interface JobOptions {
  readonly payload?: unknown;
  readonly max_retries?: number;
  readonly scheduled_at?: string;
  readonly idempotency_key?: string;
}

export interface ClaimOptions {
  readonly worker_id: string;
  readonly limit?: number;
  readonly lease_duration_secs?: number;
  readonly wait_secs?: number;
}

/** What came instead of success or of "not now"; nothing when it was one of these. */
export async function failuresOf(call: Promise<Answer<unknown>>): Promise<string[]> {
  try {
    const { status, headers } = await call;
    return status === 200 || (status === 503 && headers.has('retry-after')) ? [] : [`${status}`];
  } catch (error) {
    return [String(error)];
  }
}

/** Longer than the server may take for anything, also on a machine that is busy. */
const timeoutMs = 120_000;

export class Client {
  constructor(
    readonly host: Entrance,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  get<T = unknown>(path: string): Promise<Answer<T>> {
    return this.call('GET', path);
  }

  post<T = unknown>(path: string, body?: unknown): Promise<Answer<T>> {
    return this.call('POST', path, body);
  }

  put<T = unknown>(path: string, body?: unknown): Promise<Answer<T>> {
    return this.call('PUT', path, body);
  }

  patch<T = unknown>(path: string, body?: unknown): Promise<Answer<T>> {
    return this.call('PATCH', path, body);
  }

  delete<T = unknown>(path: string): Promise<Answer<T>> {
    return this.call('DELETE', path);
  }

  /** Any answer is a result. @throws when none came. */
  async call<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const response = await fetch(this.host.url(path), {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...this.headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : text || undefined) as T,
      expectStatus(status) {
        if (response.status === status) return;
        throw new Error(`${method} ${path}: ${response.status} instead of ${status}: ${text}`);
      },
    };
  }

  /** The id of the new job. */
  async enqueue(queue: string, { payload = {}, ...options }: JobOptions = {}): Promise<string> {
    const body = { queue_name: queue, payload, ...options };
    const answer = await this.post<{ id: string }>('/jobs', body);
    answer.expectStatus(201);
    return answer.body.id;
  }

  async claim(queue: string, options: ClaimOptions): Promise<ClaimedJob[]> {
    const body = { queue_name: queue, ...options };
    const answer = await this.post<{ jobs: ClaimedJob[] }>('/jobs/claim', body);
    answer.expectStatus(200);
    return answer.body.jobs;
  }

  /** Claims the one job there is and completes it. */
  async work(queue: string, result: unknown = { ok: true }, workerId = 'worker-1'): Promise<void> {
    const [job] = await this.claim(queue, { worker_id: workerId });
    if (job === undefined) throw new Error(`there is no job in ${queue}`);
    const completion = { worker_id: workerId, lease_id: job.lease_id, result };
    (await this.post(`/jobs/${job.id}/complete`, completion)).expectStatus(200);
  }

  async job(id: string): Promise<Job> {
    const answer = await this.get<Job>(`/jobs/${id}`);
    answer.expectStatus(200);
    return answer.body;
  }

  async jobsIn(status: string): Promise<JobSummary[]> {
    const answer = await this.get<JobSummary[]>(`/jobs?status=${status}&limit=100`);
    answer.expectStatus(200);
    return answer.body;
  }

  /** Of those that exist. */
  async statuses(ids: readonly string[]): Promise<Map<string, BatchStatus>> {
    const found = new Map<string, BatchStatus>();
    for (let start = 0; start < ids.length; start += 100) {
      const batch = ids.slice(start, start + 100).join(',');
      const answer = await this.get<BatchStatus[]>(`/jobs/status?ids=${batch}`);
      answer.expectStatus(200);
      for (const status of answer.body) found.set(status.id, status);
    }
    return found;
  }
}
