import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  isUnrestricted,
  isUuid,
  requirePayloadFits,
  type ClaimedJob,
  type ClaimRequest,
  type Principal,
} from '@spooled/contracts';
import { JOB_API_CONFIG, type JobApiConfig } from '../config.js';
import { LeaseRepository, type LeaseProof } from './store/lease.repository.js';
import { WorkSignal } from './work-signal.js';

/** A waiting claim looks again this often even when nobody told it to: hints may be lost. */
const SAFETY_POLL_MS = 2000;
/** How soon a claim that the queue's rate limit held back looks again. */
const PACE_POLL_MS = 100;

interface LeaseBody {
  readonly worker_id: string;
  readonly lease_id?: string | null | undefined;
}

/** Use cases of the worker: claim, renew, complete, fail. */
@Injectable()
export class LeaseService {
  constructor(
    private readonly leases: LeaseRepository,
    private readonly work: WorkSignal,
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
    if (!canUseQueue(caller, request.queue_name)) {
      throw new AppError('ACCESS_DENIED', `This key may not use the queue ${request.queue_name}.`);
    }
    const { organizationId } = caller;
    const call = {
      organizationId,
      queueName: request.queue_name,
      workerId: request.worker_id,
      limit: request.limit,
      leaseSecs: request.lease_duration_secs ?? this.config.WORKER_LEASE_DURATION_SECS,
    };
    const endsAt = Date.now() + request.wait_secs * 1000;
    for (;;) {
      const waitMs = Math.min(endsAt - Date.now(), SAFETY_POLL_MS);
      // Listening begins before looking, so that work which arrives in between is not slept through.
      const waiting = waitMs <= 0 ? undefined : this.work.listen(organizationId, call.queueName);
      try {
        const { jobs, isPaced } = await this.leases.claim(call);
        if (jobs.length > 0 && signal.aborted) await this.leases.unclaim(organizationId, jobs);
        if (signal.aborted) return { jobs: [] };
        if (jobs.length > 0 || waiting === undefined || this.work.isStopping) return { jobs };
        await waiting.woken(isPaced ? Math.min(waitMs, PACE_POLL_MS) : waitMs, signal);
        if (signal.aborted) return { jobs: [] };
      } finally {
        waiting?.stop();
      }
    }
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
    return { success: true };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async fail(caller: Principal, jobId: string, body: LeaseBody & { readonly error: string }) {
    const call = { ...proofOf(caller, jobId, body), error: body.error };
    const { nextRetryAt } = await this.leases.fail(call);
    return {
      success: true as const,
      will_retry: nextRetryAt !== null,
      next_retry_at: nextRetryAt?.toISOString() ?? null,
    };
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
    await this.leases.reportProgress(proof, body.percent, body.message ?? null);
    return { success: true };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async appendLog(
    caller: Principal,
    jobId: string,
    body: LeaseBody & { readonly lines: readonly string[] },
  ): Promise<{ success: true }> {
    await this.leases.appendLog(proofOf(caller, jobId, body), body.lines);
    return { success: true };
  }
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
