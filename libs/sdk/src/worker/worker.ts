import { backoffMs, delay } from '../backoff.js';
import type { SpooledClient } from '../client.js';
import { Emitter } from '../emitter.js';
import { ConflictError, NotFoundError, SpooledError } from '../errors.js';
import {
  LogLines,
  type Holder,
  type JobContext,
  type JobHandler,
  type WorkerJob,
} from './job-context.js';
import { polledJobs, pushedJobs, type JobSource } from './job-sources.js';
import { Lease, LeaseLostError } from './lease.js';
import { Slots } from './slots.js';

export interface SpooledWorkerOptions {
  readonly queueName: string;
  /** Jobs at the same time. Default 5. */
  readonly concurrency?: number;
  /** How long a job stays ours when nothing is heard of this worker. Default 30. */
  readonly leaseDurationSecs?: number;
  /**
   * How jobs get here: `http` asks with calls that wait, `grpc` has them pushed the moment they can be worked on. That is for
   * Node, with the packages `@grpc/grpc-js` and `@grpc/proto-loader`. Default `http`.
   */
  readonly transport?: 'http' | 'grpc';
  /** Where jobs are pushed from: `https://host:port` with TLS, `http://host:port` without. */
  readonly grpcUrl?: string;
  /** How long one call waits for jobs, up to 20. Default 20. Not for `grpc`. */
  readonly waitSecs?: number;
  /** How long `stop` waits for the jobs at work before it gives them back. Default 30000. */
  readonly shutdownTimeoutMs?: number;
  /** Default: that of the machine, where it can be known. */
  readonly hostname?: string;
  /** Default: `nodejs`. */
  readonly workerType?: string;
  readonly version?: string;
  readonly metadata?: Record<string, unknown>;
}

export type WorkerState = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped' | 'error';

interface JobEvent {
  readonly jobId: string;
  readonly queueName: string;
}

export interface WorkerEvents {
  started: { readonly workerId: string; readonly queueName: string };
  stopped: { readonly workerId: string; readonly reason: string };
  /** Something failed that the worker goes on after, or, in the state `error`, does not. */
  error: { readonly error: Error };
  'job:claimed': JobEvent;
  'job:started': JobEvent;
  'job:completed': JobEvent & { readonly result: unknown };
  'job:failed': JobEvent & { readonly error: string; readonly willRetry: boolean };
  /** Another worker may have the job by now: nothing more is told of it. */
  'job:lease_lost': JobEvent & { readonly error: Error };
}

const MAX_ERROR_CHARS = 2048;

/** Claims jobs of a queue, runs a handler on each, and tells how it went. */
export class SpooledWorker {
  private readonly emitter = new Emitter<WorkerEvents>();
  private readonly active = new Map<
    string,
    { readonly lease: Lease; readonly done: Promise<void> }
  >();
  private readonly stopping = new AbortController();
  private readonly slots: Slots;
  private state: WorkerState = 'idle';
  private handler: JobHandler | undefined;
  private workerId: string | null = null;
  private loops: Promise<unknown> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  /** Resolved when a job has ended. */
  private hasEnded = () => {};

  constructor(
    private readonly client: SpooledClient,
    private readonly options: SpooledWorkerOptions,
  ) {
    this.slots = new Slots(options.concurrency ?? 5);
  }

  getState(): WorkerState {
    return this.state;
  }

  /** Once it is started. */
  getWorkerId(): string | null {
    return this.workerId;
  }

  getActiveJobCount(): number {
    return this.active.size;
  }

  on<E extends keyof WorkerEvents>(event: E, handler: (data: WorkerEvents[E]) => void): () => void {
    return this.emitter.on(event, handler);
  }

  off<E extends keyof WorkerEvents>(event: E, handler: (data: WorkerEvents[E]) => void): void {
    this.emitter.off(event, handler);
  }

  /** What the handler returns is the result of the job; what it throws fails the job, to be tried again. */
  process<P = unknown>(handler: JobHandler<P>): void {
    if (this.state !== 'idle') throw new Error('the handler is set before the worker starts');
    this.handler = handler as JobHandler;
  }

  /** Resolves when the worker is registered. @throws SpooledError when it cannot be. */
  async start(): Promise<void> {
    const { handler } = this;
    if (handler === undefined) throw new Error('there is no handler: call process() first');
    if (this.state !== 'idle') throw new Error(`a worker that is ${this.state} cannot be started`);
    const source = this.source();
    this.state = 'starting';
    const { queueName } = this.options;
    try {
      const { id, heartbeatIntervalSecs } = await this.register();
      this.workerId = id;
      this.state = 'running';
      this.emitter.emit('started', { workerId: id, queueName });
      this.loops = Promise.all([
        this.claimLoop(source, id, handler).catch((error: Error) => this.fail(error)),
        this.heartbeatLoop(id, heartbeatIntervalSecs * 1000),
      ]);
    } catch (error) {
      this.fail(error as Error);
      throw error;
    }
  }

  /** Claims no more, waits for the jobs at work, and takes the worker off. What is not done in time goes back. */
  stop(): Promise<void> {
    this.stopped ??= this.shutDown();
    return this.stopped;
  }

  private async shutDown(): Promise<void> {
    const { shutdownTimeoutMs = 30_000 } = this.options;
    const isStarted = this.workerId !== null;
    if (this.state !== 'error') this.state = 'stopping';
    this.stopping.abort();
    await this.loops;
    const isDone = await this.allDone(shutdownTimeoutMs);
    for (const { lease } of this.active.values()) lease.abort(new Error('the worker was stopped'));
    if (isStarted) await this.deregister();
    this.state = 'stopped';
    const reason = isDone ? 'graceful' : 'timeout';
    this.emitter.emit('stopped', { workerId: this.workerId ?? '', reason });
  }

  /** Whether all jobs ended in time. */
  private async allDone(timeoutMs: number): Promise<boolean> {
    const late = new AbortController();
    const done = Promise.all([...this.active.values()].map((job) => job.done)).then(() => true);
    const timeout = delay(timeoutMs, late.signal).then(() => false);
    timeout.catch(() => undefined);
    return Promise.race([done, timeout]).finally(() => late.abort());
  }

  private register(workerId?: string) {
    const { queueName, concurrency = 5, workerType = 'nodejs', version, metadata } = this.options;
    const hostname = this.options.hostname ?? machineName();
    const worker = { queueName, hostname, workerType, version, metadata, workerId };
    const options = { signal: this.stopping.signal };
    return this.client.workers.register({ ...worker, maxConcurrency: concurrency }, options);
  }

  /** Gives back what was claimed by a call whose answer nobody waited for, too. */
  private async deregister(): Promise<void> {
    try {
      await this.client.workers.deregister(this.workerId ?? '');
    } catch (error) {
      if (!(error instanceof NotFoundError)) this.emitter.emit('error', { error: error as Error });
    }
  }

  private async claimLoop(source: JobSource, workerId: string, handler: JobHandler): Promise<void> {
    const { queueName, concurrency = 5, leaseDurationSecs = 30 } = this.options;
    const { signal } = this.stopping;
    let failures = 0;
    const onWell = () => (failures = 0);
    const room = () => this.room(concurrency);
    const wanted = { queueName, workerId, leaseDurationSecs, concurrency, room, onWell, signal };
    while (!signal.aborted) {
      try {
        const jobs = source({ client: this.client, ...wanted });
        for await (const job of jobs) this.begin(job, workerId, handler);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof SpooledError && !error.retryable) throw error;
        this.emitter.emit('error', { error: error as Error });
        const { retryAfterMs = 0 } = error as Partial<SpooledError>;
        const waitMs = Math.max(retryAfterMs, backoffMs(failures++, {}));
        await delay(waitMs, signal).catch(() => undefined);
      }
    }
  }

  private source(): JobSource {
    const { transport = 'http', grpcUrl, waitSecs = 20 } = this.options;
    if (transport === 'http') return polledJobs(waitSecs);
    if (grpcUrl !== undefined) return pushedJobs(grpcUrl);
    throw new SpooledError('grpcUrl is missing', { code: 'CONFIGURATION_ERROR' });
  }

  /** @throws the reason of the stop. */
  private async room(concurrency: number): Promise<number> {
    const { signal } = this.stopping;
    while (this.active.size >= concurrency) {
      signal.throwIfAborted();
      await this.oneHasEnded(signal);
    }
    signal.throwIfAborted();
    return concurrency - this.active.size;
  }

  private begin(job: WorkerJob, workerId: string, handler: JobHandler): void {
    const { leaseDurationSecs = 30 } = this.options;
    const holder = { workerId, leaseId: job.leaseId };
    const lease = new Lease(this.client.jobs, job.id, holder, leaseDurationSecs);
    const done = this.run(job, holder, lease, handler).finally(() => {
      this.slots.give();
      lease.stop();
      this.active.delete(job.leaseId);
      this.hasEnded();
    });
    this.active.set(job.leaseId, { lease, done });
  }

  /** Never rejects. */
  private async run(
    job: WorkerJob,
    holder: Holder,
    lease: Lease,
    handler: JobHandler,
  ): Promise<void> {
    const { jobs } = this.client;
    const about = { jobId: job.id, queueName: job.queueName };
    const lines = new LogLines(jobs, job.id, holder, (error) =>
      this.emitter.emit('error', { error: error as Error }),
    );
    const { retryCount, maxRetries, payload } = job;
    const context: JobContext = {
      ...about,
      payload,
      retryCount,
      maxRetries,
      job,
      traceparent: job.traceparent ?? undefined,
      signal: lease.signal,
      progress: async (percent, message) => {
        await jobs.progress(job.id, { ...holder, percent, message }, { signal: lease.signal });
      },
      log: (level, message, meta) => lines.add(level, message, meta),
    };
    this.emitter.emit('job:claimed', about);
    // A stream that was cut does not know of the jobs at work: its successor may push more than there is room for.
    await this.slots.take();
    try {
      if (lease.isLost) throw lease.signal.reason;
      this.emitter.emit('job:started', about);
      const outcome = await attempt(handler, context);
      await lines.flush();
      if (lease.isLost) throw lease.signal.reason;
      if ('error' in outcome) {
        const error = messageOf(outcome.error);
        const answer = await settled(lease, () => jobs.fail(job.id, { ...holder, error }));
        const willRetry = answer?.willRetry ?? retryCount < maxRetries;
        this.emitter.emit('job:failed', { ...about, error, willRetry });
      } else {
        const { result } = outcome;
        await settled(lease, () => jobs.complete(job.id, { ...holder, result }));
        this.emitter.emit('job:completed', { ...about, result });
      }
    } catch (error) {
      const isLost = lease.isLost || isTakenAway(error);
      if (isLost) this.emitter.emit('job:lease_lost', { ...about, error: error as Error });
      else this.emitter.emit('error', { error: error as Error });
    }
  }

  private async heartbeatLoop(workerId: string, intervalMs: number): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await delay(intervalMs, signal);
        const body = { currentJobs: this.active.size, status: 'healthy' as const };
        await this.client.workers.heartbeat(workerId, body, { signal });
      } catch (error) {
        if (signal.aborted) return;
        this.emitter.emit('error', { error: error as Error });
        // Taken off by somebody, or after a long silence: the same id again keeps the jobs at work ours.
        const isOff = error instanceof NotFoundError || error instanceof ConflictError;
        if (isOff) await this.register(workerId).catch(() => undefined);
      }
    }
  }

  private oneHasEnded(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.hasEnded = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** There is no going on: what is at work may finish, nothing more is claimed. */
  private fail(error: Error): void {
    this.state = 'error';
    this.stopping.abort();
    this.emitter.emit('error', { error });
  }
}

async function attempt(
  handler: JobHandler,
  context: JobContext,
): Promise<{ readonly result: unknown } | { readonly error: unknown }> {
  try {
    return { result: await handler(context) };
  } catch (error) {
    return { error };
  }
}

/** Tells the outcome until the server knows it. Undefined when it did already: an answer was lost. */
async function settled<T>(lease: Lease, tell: () => Promise<T>): Promise<T | undefined> {
  for (let tries = 0; ; tries++) {
    try {
      return await tell();
    } catch (error) {
      if (tries > 0 && error instanceof ConflictError && error.code === 'CONFLICT')
        return undefined;
      if (!(error instanceof SpooledError) || !error.retryable) throw error;
      await delay(backoffMs(tries, { baseDelayMs: 200, maxDelayMs: 5000 }), lease.signal);
    }
  }
}

function isTakenAway(error: unknown): boolean {
  if (error instanceof ConflictError) return error.code === 'LEASE_EXPIRED';
  return error instanceof LeaseLostError || error instanceof NotFoundError;
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replaceAll('\0', '').slice(0, MAX_ERROR_CHARS) || 'failed without a message';
}

/** This file is in the browser's bundle too, where there is no such module. */
function machineName(): string {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (id: 'node:os') => { hostname(): string } };
  };
  const name = process?.getBuiltinModule?.('node:os').hostname() ?? '';
  return /^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$/.test(name) ? name : 'sdk-worker';
}
