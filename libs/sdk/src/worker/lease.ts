import { delay } from '../backoff.js';
import { ConflictError, NotFoundError, SpooledError } from '../errors.js';
import type { JobsResource } from '../resources/jobs.js';
import type { Holder } from './job-context.js';

/** The lease of a job ended while the job was being worked on. */
export class LeaseLostError extends Error {
  override readonly name: string = 'LeaseLostError';
}

/**
 * Keeps a lease until `stop`: renews it at half of its time, and sooner again when that fails. When the server says that
 * it is lost, or it must have run out by our own clock, `signal` aborts.
 */
export class Lease {
  private readonly lost = new AbortController();
  private readonly stopped = new AbortController();
  /** By the clock that never jumps. An answer that took long is caught by the server, at the first renewal. */
  private endsAt: number;

  constructor(
    private readonly jobs: JobsResource,
    private readonly jobId: string,
    private readonly holder: Holder,
    private readonly durationSecs: number,
  ) {
    this.endsAt = performance.now() + durationSecs * 1000;
    void this.keep();
  }

  get signal(): AbortSignal {
    return this.lost.signal;
  }

  get isLost(): boolean {
    return this.lost.signal.aborted;
  }

  abort(reason: Error): void {
    this.lost.abort(reason);
    this.stop();
  }

  stop(): void {
    this.stopped.abort();
  }

  private async keep(): Promise<void> {
    const halfMs = this.durationSecs * 500;
    try {
      let waitMs = halfMs;
      for (;;) {
        await delay(waitMs, this.stopped.signal);
        waitMs = (await this.renew()) ? halfMs : Math.max(Math.min(halfMs / 5, this.msLeft()), 0);
        if (this.msLeft() <= 0) throw new LeaseLostError('the lease could not be renewed in time');
      }
    } catch (error) {
      if (!this.stopped.signal.aborted) this.lost.abort(error);
    }
  }

  private msLeft(): number {
    return this.endsAt - performance.now();
  }

  /** Whether it went well. @throws LeaseLostError when the job is somebody else's now. */
  private async renew(): Promise<boolean> {
    const sentAt = performance.now();
    const body = { ...this.holder, leaseDurationSecs: this.durationSecs };
    const options = { signal: this.stopped.signal, timeoutMs: Math.max(this.msLeft(), 1) };
    try {
      await this.jobs.heartbeat(this.jobId, body, options);
      this.endsAt = sentAt + this.durationSecs * 1000;
      return true;
    } catch (error) {
      if (!(error instanceof SpooledError)) throw error;
      if (error instanceof ConflictError || error instanceof NotFoundError) {
        throw new LeaseLostError(error.message, { cause: error });
      }
      return false;
    }
  }
}
