import type { JobsResource } from '../resources/jobs.js';
import type { Answer } from '../routes.js';

export type ClaimedJob = Answer<'jobs', 'claim'>['jobs'][number];
/** What a worker knows of a job; a job that was pushed over gRPC comes without tags and workflow. */
export type WorkerJob = Omit<ClaimedJob, 'tags' | 'workflowId'> &
  Partial<Pick<ClaimedJob, 'tags' | 'workflowId'>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a handler gets with a job. */
export interface JobContext<P = unknown> {
  readonly jobId: string;
  readonly queueName: string;
  readonly payload: P;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly job: WorkerJob;
  /** W3C trace context in which the job was put in: link the work's span to it. */
  readonly traceparent: string | undefined;
  /** Aborts when the job is no longer this worker's, or when the worker cannot wait for it any longer. */
  readonly signal: AbortSignal;
  /** Percent of the work that is done. Rejects when it cannot be told. */
  progress(percent: number, message?: string): Promise<void>;
  /** A line of the job's log, which is read with `client.jobs.logs`. Sent in the background, in order. */
  log(level: LogLevel, message: string, meta?: unknown): void;
}

/** Returns the job's result. */
export type JobHandler<P = unknown> = (context: JobContext<P>) => unknown;

/** What fences calls about a job. */
export interface Holder {
  readonly workerId: string;
  readonly leaseId: string;
}

const MAX_LINES = 100;
const MAX_LINE_CHARS = 4096;

/** Log lines on their way: those that are written while a call is under way go with the next one. */
export class LogLines {
  private waiting: string[] = [];
  private sending: Promise<void> = Promise.resolve();
  private isSending = false;

  constructor(
    private readonly jobs: JobsResource,
    private readonly jobId: string,
    private readonly holder: Holder,
    private readonly onError: (error: unknown) => void,
  ) {}

  add(level: LogLevel, message: string, meta: unknown): void {
    const rest = meta === undefined ? '' : ` ${JSON.stringify(meta)}`;
    this.waiting.push(`[${level}] ${message}${rest}`.slice(0, MAX_LINE_CHARS));
    if (!this.isSending) this.sending = this.send();
  }

  /** Resolves when every line has been sent, or could not be. */
  flush(): Promise<void> {
    return this.sending;
  }

  private async send(): Promise<void> {
    this.isSending = true;
    try {
      // Whatever is written in the same turn goes together.
      await Promise.resolve();
      while (this.waiting.length > 0) {
        const lines = this.waiting.splice(0, MAX_LINES);
        await this.jobs.appendLogs(this.jobId, { ...this.holder, lines });
      }
    } catch (error) {
      this.waiting = [];
      this.onError(error);
    } finally {
      this.isSending = false;
    }
  }
}
