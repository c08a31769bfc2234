import type { JobStatus } from '@spooled/contracts';

/** What the documentation says a job is: the whole of it, in memory. */
export interface ModelJob {
  readonly id: string;
  readonly queue: string;
  readonly maxRetries: number;
  readonly key: string | undefined;
  priority: number;
  status: JobStatus;
  /** Pending without being claimable. */
  isBackingOff: boolean;
  /** Must complete first. */
  waitsFor: ModelJob | undefined;
  retryCount: number;
  rev: number;
  /** Who holds or last held it. */
  worker: string | null;
  lease: string | null;
  /** An earlier lease. */
  oldLease: string | undefined;
}

/** Jobs in order of creation. Few of them go through more, many of them meet more often. */
export class Model {
  readonly jobs: ModelJob[] = [];

  constructor(readonly maxJobs: number) {}

  byKey(key: string | undefined): ModelJob | undefined {
    return key === undefined ? undefined : this.jobs.find((job) => job.key === key);
  }

  /** Usually a job that fits; one time in four any job, so that refusals are met as well. */
  pick(choice: number, fits: (job: ModelJob) => boolean): ModelJob {
    const fitting = this.jobs.filter(fits);
    const among = choice % 4 === 0 || fitting.length === 0 ? this.jobs : fitting;
    return among[Math.floor(choice / 4) % among.length]!;
  }

  claimable(queue: string, limit: number): ModelJob[] {
    return this.jobs
      .filter((job) => job.queue === queue && isClaimable(job))
      .sort((a, b) => b.priority - a.priority || this.jobs.indexOf(a) - this.jobs.indexOf(b))
      .slice(0, limit);
  }

  move(job: ModelJob, status: JobStatus): void {
    if (job.lease !== null) job.oldLease = job.lease;
    Object.assign(job, { status, rev: job.rev + 1, lease: null, isBackingOff: false });
    if (status === 'completed') {
      for (const child of this.#childrenOf(job)) child.waitsFor = undefined;
    }
    if (status === 'cancelled' || status === 'deadletter') {
      job.waitsFor = undefined;
      for (const child of this.#childrenOf(job)) this.move(child, 'cancelled');
    }
  }

  /** A try is over without success. */
  lose(job: ModelJob): 'pending' | 'deadletter' {
    const status = job.retryCount < job.maxRetries ? 'pending' : 'deadletter';
    this.move(job, status);
    if (status === 'pending') job.retryCount += 1;
    return status;
  }

  #childrenOf(parent: ModelJob): ModelJob[] {
    return this.jobs.filter(({ waitsFor }) => waitsFor === parent);
  }
}

export const isPending = ({ status }: ModelJob) => status === 'pending' || status === 'scheduled';
export const isProcessing = ({ status }: ModelJob) => status === 'processing';
const isClaimable = ({ status, isBackingOff, waitsFor }: ModelJob) =>
  status === 'pending' && !isBackingOff && waitsFor === undefined;
export const isDeferred = (job: ModelJob) => job.status === 'scheduled' || job.isBackingOff;
