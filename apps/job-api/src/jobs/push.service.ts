import { Injectable } from '@nestjs/common';
import { AppError, canUseQueue, type Principal } from '@spooled/contracts';
import { setTimeout as delay } from 'node:timers/promises';
import { requireQueue } from './require-queue.js';
import { LeaseRepository, type LeasedJob } from './store/lease.repository.js';
import { UnsettledJobs, type UnsettledOfStream } from './unsettled-jobs.js';
import { WorkSignal, type WorkListener } from './work-signal.js';

/** Jobs claimed at once for one stream. */
const MAX_BATCH = 32;
/** Messages on their way to the client before the next one waits. */
const MAX_PENDING = 4;
/** The transport takes messages a moment after they were handed over, unless the client does not read. */
const MOMENT_MS = 10;
/** How long claimed jobs may wait for the transport; then somebody else gets them. */
const PATIENCE_MS = 1000;
const MAX_JITTER_MS = 500;

export interface PushRequest {
  readonly queue_name: string;
  readonly worker_id: string;
  readonly lease_duration_secs: number;
  /** Jobs it has at most: sent and not settled. */
  readonly max_unsettled: number;
}

/** A worker that jobs are pushed to. */
export interface Receiver {
  /** As it is now. */
  readonly principal: Principal;
  /** Aborts when the receiver is gone. */
  readonly signal: AbortSignal;
  /** Tells it that it will get jobs from now on. */
  open(): void;
  /** Counts one more claim against the caller's limits. @throws AppError `RATE_LIMIT_EXCEEDED` */
  admit(): void;
  /** Runs when `principal` may have changed. */
  onAccess(run: () => void): void;
  send(job: LeasedJob): void;
  /** Jobs sent and not yet passed on. */
  readonly pending: number;
  /** Resolves when nothing is pending, or the receiver is gone. */
  drained(): Promise<void>;
}

/** Use case of the worker that does not ask: leases jobs to it as they become claimable, until it goes away. */
@Injectable()
export class PushService {
  constructor(
    private readonly leases: LeaseRepository,
    private readonly work: WorkSignal,
    private readonly unsettled: UnsettledJobs,
  ) {}

  /**
   * Ends when the receiver is gone. What was claimed and could not be sent is given back at once.
   * @throws AppError `ACCESS_DENIED`, also when the queue leaves the scope of the key; `SERVICE_UNAVAILABLE` at a stop
   */
  async push(request: PushRequest, receiver: Receiver): Promise<void> {
    requireQueue(receiver.principal, request.queue_name);
    receiver.open();
    const { organizationId } = receiver.principal;
    const unsettled = this.unsettled.open(organizationId, request.max_unsettled);
    try {
      await new Push(request, receiver, unsettled, this.leases, this.work).run();
    } finally {
      unsettled.close();
    }
  }
}

/** The jobs of one stream. */
class Push {
  readonly #organizationId: string;
  readonly #over = new AbortController();
  /** Jobs to ask for when nobody said how many there are. */
  #batch = 1;
  /** Smaller for a receiver that was slow to take what was claimed for it. */
  #maxBatch = MAX_BATCH;
  /** The last ones, as many as can be pending. */
  readonly #sent: LeasedJob[] = [];
  /** Of these, those that were pending when the receiver went away. */
  #lost: readonly LeasedJob[] = [];

  constructor(
    private readonly request: PushRequest,
    private readonly receiver: Receiver,
    private readonly unsettled: UnsettledOfStream,
    private readonly leases: LeaseRepository,
    private readonly work: WorkSignal,
  ) {
    this.#organizationId = receiver.principal.organizationId;
  }

  async run(): Promise<void> {
    const { receiver } = this;
    const gone = (): void => {
      this.#lost = this.#sent.slice(this.#sent.length - receiver.pending);
      this.#over.abort();
    };
    receiver.signal.addEventListener('abort', gone, { once: true });
    receiver.onAccess(() => {
      if (!this.#isAllowed) this.#over.abort();
    });
    while (!this.#isOver) {
      await receiver.drained();
      await this.unsettled.hasRoom(this.#over.signal);
      if (!this.#isOver) await this.#pause(await this.#pushWhileTaken());
    }
    receiver.signal.removeEventListener('abort', gone);
    await this.#giveBack(this.#lost);
    if (receiver.signal.aborted) return;
    requireQueue(receiver.principal, this.request.queue_name);
    throw new AppError('SERVICE_UNAVAILABLE', 'The server is going away; connect again.');
  }

  get #isOver(): boolean {
    return this.receiver.signal.aborted || this.#over.signal.aborted || this.work.isStopping;
  }

  /** Pushes until the receiver cannot take more, or has to wait: answers how long, in milliseconds. */
  async #pushWhileTaken(): Promise<number> {
    const listener = this.work.listen(this.#organizationId, this.request.queue_name);
    let rest: readonly LeasedJob[] = [];
    try {
      while (!this.#isOver && rest.length === 0 && this.unsettled.room > 0) {
        if (!(await this.#isDrained(MOMENT_MS))) break;
        rest = await this.#claimAndSend(listener);
      }
    } catch (error) {
      return waitOf(error);
    } finally {
      // Whatever else was announced to this stream is for others now.
      listener.stop();
    }
    await this.#sendLate(rest);
    return 0;
  }

  /** Answers what the transport did not take in a moment. */
  async #claimAndSend(listener: WorkListener): Promise<readonly LeasedJob[]> {
    requireQueue(this.receiver.principal, this.request.queue_name);
    this.receiver.admit();
    const wanted = this.#wanted(listener);
    const { jobs } = await listener.look(wanted, () =>
      this.leases.claim({
        organizationId: this.#organizationId,
        queueName: this.request.queue_name,
        workerId: this.request.worker_id,
        limit: wanted,
        leaseSecs: this.request.lease_duration_secs,
      }),
    );
    this.#batch = listener.expected === Infinity ? Math.min(this.#batch * 2, MAX_BATCH) : 1;
    const rest = await this.#send(jobs, MOMENT_MS);
    // After a part of what was wanted comes another look: the queue's rate limit may be why.
    const mayWait = jobs.length === 0 || jobs.length === wanted;
    if (rest.length === 0 && mayWait && this.unsettled.room > 0)
      await listener.woken(this.#over.signal);
    return rest;
  }

  #wanted({ expected }: WorkListener): number {
    const likely = expected === Infinity ? this.#batch : Math.max(this.#batch, expected);
    return Math.min(likely, this.#maxBatch, this.unsettled.room);
  }

  async #send(jobs: readonly LeasedJob[], patienceMs: number): Promise<readonly LeasedJob[]> {
    for (const [index, job] of jobs.entries()) {
      const isFull = this.receiver.pending >= MAX_PENDING;
      if (isFull && !(await this.#isDrained(patienceMs))) return jobs.slice(index);
      if (this.#isOver || !this.#isAllowed) return jobs.slice(index);
      this.unsettled.add(job);
      this.receiver.send(job);
      if (this.#sent.push(job) > MAX_PENDING) this.#sent.shift();
    }
    return [];
  }

  /** Waits longer for the transport than others can be made to wait for announced jobs; then gives back. */
  async #sendLate(jobs: readonly LeasedJob[]): Promise<void> {
    const rest = jobs.length === 0 ? [] : await this.#send(jobs, PATIENCE_MS);
    this.#maxBatch = rest.length > 0 ? 1 : Math.min(this.#maxBatch * 2, MAX_BATCH);
    await this.#giveBack(rest);
  }

  async #giveBack(jobs: readonly LeasedJob[]): Promise<void> {
    if (jobs.length > 0) await this.leases.unclaim(this.#organizationId, jobs);
  }

  get #isAllowed(): boolean {
    return canUseQueue(this.receiver.principal, this.request.queue_name);
  }

  async #isDrained(patienceMs: number): Promise<boolean> {
    if (this.receiver.pending === 0) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patienceMs);
    void this.receiver.drained().then(resolve);
    await promise;
    clearTimeout(timer);
    return this.receiver.pending === 0;
  }

  async #pause(delayMs: number): Promise<void> {
    if (delayMs === 0) return;
    await delay(delayMs, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }
}

/**
 * How long to wait after a refusal that passes, in milliseconds, not the same for all: a database that comes back must
 * not meet every stream at once. @throws the error when it is another
 */
function waitOf(error: unknown): number {
  const passes =
    error instanceof AppError &&
    (error.code === 'RATE_LIMIT_EXCEEDED' || error.code === 'SERVICE_UNAVAILABLE');
  if (!passes) throw error;
  return (error.retryAfterSecs ?? 1) * 1000 + Math.random() * MAX_JITTER_MS;
}
