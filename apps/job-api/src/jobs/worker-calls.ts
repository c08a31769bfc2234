import { Injectable } from '@nestjs/common';
import type {
  grpcCompleteRequest,
  grpcDequeueRequest,
  grpcFailRequest,
  GrpcJob,
  grpcRenewLeaseRequest,
  Principal,
} from '@spooled/contracts';
import type { z } from 'zod';
import { leasedJobMessage } from './job-message.js';
import { LeaseService } from './lease.service.js';
import { UnsettledJobs } from './unsettled-jobs.js';

type DequeueRequest = z.output<typeof grpcDequeueRequest>;
type CompleteRequest = z.output<typeof grpcCompleteRequest>;
type FailRequest = z.output<typeof grpcFailRequest>;
type RenewLeaseRequest = z.output<typeof grpcRenewLeaseRequest>;

/** What workers ask over gRPC, one call each or many on a stream, in the words of the service. */
@Injectable()
export class WorkerCalls {
  constructor(
    private readonly worker: LeaseService,
    private readonly unsettled: UnsettledJobs,
  ) {}

  /** @throws AppError `ACCESS_DENIED` */
  async dequeue(
    caller: Principal,
    { queue_name, worker_id, lease_duration_secs, batch_size }: DequeueRequest,
    signal: AbortSignal,
  ): Promise<GrpcJob[]> {
    const jobs = await this.worker.lease(
      caller,
      { queue_name, worker_id, lease_duration_secs, limit: batch_size, wait_secs: 0 },
      signal,
    );
    return jobs.map((job) => leasedJobMessage(caller.organizationId, worker_id, job));
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED`, `PAYLOAD_TOO_LARGE` */
  complete(caller: Principal, { job_id, ...body }: CompleteRequest): Promise<{ success: true }> {
    return this.#settle(caller, job_id, () => this.worker.complete(caller, job_id, body));
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async fail(caller: Principal, { job_id, retry, ...body }: FailRequest) {
    const failure = { ...body, isFinal: !retry };
    const outcome = await this.#settle(caller, job_id, () =>
      this.worker.settleFailed(caller, job_id, failure),
    );
    return {
      success: true,
      will_retry: outcome.nextRetryAt !== null,
      next_retry_delay_secs: outcome.retryDelaySecs,
    };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT`, `LEASE_EXPIRED` */
  async renewLease(caller: Principal, { job_id, extension_secs, ...body }: RenewLeaseRequest) {
    const renewal = { ...body, lease_duration_secs: extension_secs };
    const { lease_expires_at } = await this.worker.renew(caller, job_id, renewal);
    return { success: true, new_expires_at: new Date(lease_expires_at) };
  }

  /** Workers that jobs are pushed to settle them over gRPC: the stream that waits for it may be another instance's. */
  async #settle<T>(caller: Principal, jobId: string, settle: () => Promise<T>): Promise<T> {
    const isHere = this.unsettled.has(jobId);
    const outcome = await settle();
    if (!isHere) this.unsettled.tellSettled(caller.organizationId, jobId);
    return outcome;
  }
}
