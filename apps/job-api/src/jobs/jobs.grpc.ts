import { Injectable } from '@nestjs/common';
import { AppError, jobsGrpc } from '@spooled/contracts';
import { Grpc, sentTraceparent, type CallOf } from '@spooled/grpc';
import { continuedTraceparent } from '@spooled/telemetry';
import { EnqueueService } from './enqueue.service.js';
import { jobMessage, leasedJobMessage } from './job-message.js';
import { JobService } from './job.service.js';
import { ProcessJobs } from './process-jobs.js';
import { PushService } from './push.service.js';
import { WorkerCalls } from './worker-calls.js';

/** Edge, gRPC: producers and workers. */
@Injectable()
export class JobsGrpc {
  constructor(
    private readonly producer: EnqueueService,
    private readonly jobs: JobService,
    private readonly worker: WorkerCalls,
    private readonly pushing: PushService,
    private readonly processing: ProcessJobs,
  ) {}

  @Grpc(jobsGrpc.enqueue)
  async enqueue({ principal, request, metadata }: CallOf<typeof jobsGrpc.enqueue>) {
    const traceparent = continuedTraceparent(sentTraceparent(metadata));
    const { id, created } = await this.producer.enqueue(principal, request, undefined, traceparent);
    return { job_id: id, created };
  }

  @Grpc(jobsGrpc.dequeue)
  async dequeue({ principal, request, signal }: CallOf<typeof jobsGrpc.dequeue>) {
    return { jobs: await this.worker.dequeue(principal, request, signal) };
  }

  @Grpc(jobsGrpc.complete)
  complete({ principal, request }: CallOf<typeof jobsGrpc.complete>) {
    return this.worker.complete(principal, request);
  }

  @Grpc(jobsGrpc.fail)
  fail({ principal, request }: CallOf<typeof jobsGrpc.fail>) {
    return this.worker.fail(principal, request);
  }

  /** Published clients use the answer without looking at the status, so a miss is an answer too. */
  @Grpc(jobsGrpc.renewLease)
  async renewLease({ principal, request }: CallOf<typeof jobsGrpc.renewLease>) {
    try {
      return await this.worker.renewLease(principal, request);
    } catch (error) {
      if (error instanceof AppError && error.code === 'NOT_FOUND') return { success: false };
      throw error;
    }
  }

  @Grpc(jobsGrpc.getJob)
  async getJob({ principal, request }: CallOf<typeof jobsGrpc.getJob>) {
    const job = await this.jobs.find(principal, request.job_id);
    return job === undefined ? {} : { job: jobMessage(job) };
  }

  @Grpc(jobsGrpc.getQueueStats)
  async getQueueStats({ principal, request }: CallOf<typeof jobsGrpc.getQueueStats>) {
    const { queue_name } = request;
    const { cancelled: _, ...stats } = await this.jobs.queueStats(principal, queue_name);
    return { queue_name, ...stats };
  }

  @Grpc(jobsGrpc.streamJobs)
  streamJobs(call: CallOf<typeof jobsGrpc.streamJobs>): Promise<void> {
    const { request, signal, stream } = call;
    const { organizationId } = call.principal;
    return this.pushing.push(request, {
      get principal() {
        return call.principal;
      },
      get pending() {
        return stream.pending;
      },
      signal,
      open: () => stream.open(),
      admit: () => call.admit(),
      onAccess: (run) => call.onAccess(run),
      send: (job) => stream.write(leasedJobMessage(organizationId, request.worker_id, job)),
      drained: () => stream.drained(),
    });
  }

  @Grpc(jobsGrpc.processJobs)
  processJobs(call: CallOf<typeof jobsGrpc.processJobs>): Promise<void> {
    return this.processing.answerAll(call);
  }
}
