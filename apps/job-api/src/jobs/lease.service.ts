import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  isUnrestricted,
  isUuid,
  jobLogged,
  jobProgressed,
  requirePayloadFits,
  type ClaimedJob,
  type ClaimRequest,
  type Principal,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { JOB_API_CONFIG, type JobApiConfig } from '../config.js';
import { logEvents } from './domain/log-events.js';
import { requireQueue } from './require-queue.js';
import {
  LeaseRepository,
  type ClaimCall,
  type FailureOutcome,
  type LeasedJob,
  type LeaseProof,
} from './store/lease.repository.js';
import { UnsettledJobs } from './unsettled-jobs.js';
import { WorkSignal } from './work-signal.js';

interface LeaseBody {
  readonly worker_id: string;
  readonly lease_id?: string | null | undefined;
}

/** Use cases of the worker: claim, renew, report, complete, fail. */
@Injectable()
export class LeaseService {
  constructor(
    private readonly leases: LeaseRepository,
    private readonly work: WorkSignal,
    private readonly unsettled: UnsettledJobs,
    private readonly bus: Bus,
    @Inject(JOB_API_CONFIG) private readonly config: JobApiConfig,
  ) {}

  /**
   * Leases up to `limit` jobs; with `wait_secs`, holds on until there is one. A caller that goes away gets nothing: what
   * was leased for it in that moment is given back.
   * @throws AppError `ACCESS_DENIED`
   */
  async claim(
    caller: Principal,
    request: ClaimRequest,
    signal: AbortSignal,
  ): Promise<{ jobs: readonly ClaimedJob[] }> {
    const jobs = await this.lease(caller, request, signal);
    return { jobs: jobs.map(toClaimedJob) };
  }

  /** As `claim`, with all that is known of the jobs. @throws AppError `ACCESS_DENIED` */
  async lease(
    caller: Principal,
    request: ClaimRequest,
    signal: AbortSignal,
  ): Promise<readonly LeasedJob[]> {
    requireQueue(caller, request.queue_name);
    const call = {
      organizationId: caller.organizationId,
      queueName: request.queue_name,
      workerId: request.worker_id,
      limit: request.limit,
      leaseSecs: request.lease_duration_secs ?? this.config.WORKER_LEASE_DURATION_SECS,
    };
    if (request.wait_secs > 0) return this.#leaseWhenThere(call, request.wait_secs, signal);
    const { jobs } = await this.leases.claim(call);
    return this.#unlessGone(call, jobs, signal);
  }

  async #leaseWhenThere(
    call: ClaimCall,
    waitSecs: number,
    signal: AbortSignal,
  ): Promise<readonly LeasedJob[]> {
    const endsAt = Date.now() + waitSecs * 1000;
    const listener = this.work.listen(call.organizationId, call.queueName);
    try {
      for (;;) {
        const isLast = Date.now() >= endsAt || this.work.isStopping;
        const { jobs } = await listener.look(call.limit, () => this.leases.claim(call));
        if (jobs.length > 0 || isLast) return await this.#unlessGone(call, jobs, signal);
        await listener.woken(signal, endsAt - Date.now());
        if (signal.aborted) return [];
      }
    } finally {
      listener.stop();
    }
  }

  async #unlessGone(
    { organizationId }: ClaimCall,
    jobs: readonly LeasedJob[],
    signal: AbortSignal,
  ): Promise<readonly LeasedJob[]> {
    if (!signal.aborted || jobs.length === 0) return jobs;
    await this.leases.unclaim(organizationId, jobs);
    return [];
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED`, `PAYLOAD_TOO_LARGE` */
  async complete(
    caller: Principal,
    jobId: string,
    body: LeaseBody & { readonly result?: unknown },
  ): Promise<{ success: true }> {
    const result = body.result === undefined ? null : JSON.stringify(body.result);
    if (result !== null) requirePayloadFits(caller.plan, result);
    await this.leases.complete({ ...proofOf(caller, jobId, body), result });
    this.unsettled.settled(jobId);
    return { success: true };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async fail(caller: Principal, jobId: string, body: LeaseBody & { readonly error: string }) {
    const { nextRetryAt } = await this.settleFailed(caller, jobId, { ...body, isFinal: false });
    return {
      success: true as const,
      will_retry: nextRetryAt !== null,
      next_retry_at: nextRetryAt?.toISOString() ?? null,
    };
  }

  /** `isFinal`: another try cannot help. @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async settleFailed(
    caller: Principal,
    jobId: string,
    { error, isFinal, ...lease }: LeaseBody & { readonly error: string; readonly isFinal: boolean },
  ): Promise<FailureOutcome> {
    const outcome = await this.leases.fail({ ...proofOf(caller, jobId, lease), error, isFinal });
    this.unsettled.settled(jobId);
    return outcome;
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async renew(
    caller: Principal,
    jobId: string,
    body: LeaseBody & { readonly lease_duration_secs: number },
  ) {
    const call = { ...proofOf(caller, jobId, body), leaseSecs: body.lease_duration_secs };
    const leaseExpiresAt = await this.leases.renew(call);
    return { success: true as const, lease_expires_at: leaseExpiresAt.toISOString() };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async reportProgress(
    caller: Principal,
    jobId: string,
    body: LeaseBody & { readonly percent: number; readonly message?: string | null | undefined },
  ): Promise<{ success: true }> {
    const proof = proofOf(caller, jobId, body);
    const { queue_name, percent, message, at } = await this.leases.reportProgress(
      proof,
      body.percent,
      body.message ?? null,
    );
    this.bus.hint(jobProgressed, caller.organizationId, {
      job_id: jobId,
      queue_name,
      percent,
      message,
      worker_id: body.worker_id,
      timestamp: at.toISOString(),
    });
    return { success: true };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async appendLog(
    caller: Principal,
    jobId: string,
    body: LeaseBody & { readonly lines: readonly string[] },
  ): Promise<{ success: true }> {
    const { lines } = body;
    const { queue_name, first, at } = await this.leases.appendLog(
      proofOf(caller, jobId, body),
      lines,
    );
    const log = {
      job_id: jobId,
      queue_name,
      worker_id: body.worker_id,
      offset: first,
      lines,
      timestamp: at.toISOString(),
    };
    for (const data of logEvents(log)) this.bus.hint(jobLogged, caller.organizationId, data);
    return { success: true };
  }
}

/** What REST shows of it. */
function toClaimedJob(job: LeasedJob): ClaimedJob {
  const {
    scheduled_at: _,
    started_at: __,
    last_error: ___,
    idempotency_key: ____,
    ...claimed
  } = job;
  return claimed;
}

/** @throws AppError `NOT_FOUND` for an id that cannot be one */
function proofOf(caller: Principal, jobId: string, body: LeaseBody): LeaseProof {
  if (!isUuid(jobId)) throw new AppError('NOT_FOUND', 'Job not found or not owned by worker');
  return {
    organizationId: caller.organizationId,
    jobId,
    workerId: body.worker_id,
    leaseId: body.lease_id ?? null,
    queues: isUnrestricted(caller) ? null : caller.queues,
  };
}
