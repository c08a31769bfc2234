import { Injectable, type OnModuleInit } from '@nestjs/common';
import { jobSettled } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import type { LeaseKey } from './store/ready.repository.js';

/** A job that was pushed on a stream. */
export interface PushedJob {
  readonly id: string;
  readonly lease_id: string;
}

/**
 * Jobs that were pushed on the streams of this process and are not settled, as far as it knows. A client's window takes
 * hundreds of small jobs from a stream nobody reads, so what the transport takes says little about what is worked on.
 */
@Injectable()
export class UnsettledJobs implements OnModuleInit {
  /** By job id. */
  readonly #holders = new Map<string, UnsettledOfStream>();
  readonly #full = new Set<UnsettledOfStream>();

  constructor(private readonly bus: Bus) {}

  onModuleInit(): void {
    this.bus.onHint(
      jobSettled,
      ({ jobId }) => this.settled(jobId),
      () => this.#holders.size > 0,
    );
  }

  /** Those of one stream, at most `limit`. */
  open(organizationId: string, limit: number): UnsettledOfStream {
    return new UnsettledOfStream(organizationId, limit, this.#holders, this.#full);
  }

  /** Whether the job was pushed from here. */
  has(jobId: string): boolean {
    return this.#holders.has(jobId);
  }

  /** The job was settled. */
  settled(jobId: string): void {
    this.#holders.get(jobId)?.remove(jobId);
  }

  /** The job was settled here and pushed elsewhere, if at all: a proxy may send each call of a worker another way. */
  tellSettled(organizationId: string, jobId: string): void {
    this.bus.hint(jobSettled, organizationId, { jobId });
  }

  /** The lease is over, for whatever reason; the job may have been pushed again since. */
  leaseOver({ jobId, leaseId }: LeaseKey): void {
    const holder = this.#holders.get(jobId);
    if (holder?.holds(jobId, leaseId) === true) holder.remove(jobId);
  }

  /** Leases that keep a stream from getting more, for whoever finds out whether they are over. */
  blocking(): LeaseKey[] {
    return [...this.#full].flatMap((holder) => holder.leases());
  }
}

/** What one stream has pushed and not seen settled. */
export class UnsettledOfStream {
  /** Lease ids by job id. */
  readonly #leases = new Map<string, string>();
  #onRoom: (() => void) | undefined;

  constructor(
    private readonly organizationId: string,
    private readonly limit: number,
    private readonly holders: Map<string, UnsettledOfStream>,
    private readonly full: Set<UnsettledOfStream>,
  ) {}

  /** How many jobs may be pushed now. */
  get room(): number {
    return Math.max(0, this.limit - this.#leases.size);
  }

  add({ id, lease_id }: PushedJob): void {
    // It was pushed before under a lease that ran out.
    this.holders.get(id)?.remove(id);
    this.#leases.set(id, lease_id);
    this.holders.set(id, this);
  }

  holds(jobId: string, leaseId: string): boolean {
    return this.#leases.get(jobId) === leaseId;
  }

  remove(jobId: string): void {
    if (!this.#leases.delete(jobId)) return;
    this.holders.delete(jobId);
    if (this.#hasEnoughRoom) this.#onRoom?.();
  }

  /** Once full, ends when a quarter is free: jobs are claimed by the handful. Ends also when the signal aborts. */
  async hasRoom(signal: AbortSignal): Promise<void> {
    if (this.room > 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onRoom = resolve;
    this.full.add(this);
    const abort = (): void => resolve();
    signal.addEventListener('abort', abort, { once: true });
    await promise;
    signal.removeEventListener('abort', abort);
    this.full.delete(this);
    this.#onRoom = undefined;
  }

  leases(): LeaseKey[] {
    const { organizationId } = this;
    return [...this.#leases].map(([jobId, leaseId]) => ({ organizationId, jobId, leaseId }));
  }

  close(): void {
    for (const jobId of this.#leases.keys()) this.holders.delete(jobId);
    this.#leases.clear();
    this.full.delete(this);
  }

  get #hasEnoughRoom(): boolean {
    return this.room >= Math.max(1, Math.floor(this.limit / 4));
  }
}
