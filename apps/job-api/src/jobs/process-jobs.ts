import { Inject, Injectable } from '@nestjs/common';
import {
  grpcCompleteRequest,
  grpcDequeueRequest,
  grpcFailRequest,
  grpcRenewLeaseRequest,
  type ErrorCode,
  type GrpcProcessError,
  type GrpcProcessResponse,
  type jobsGrpc,
} from '@spooled/contracts';
import type { CallOf } from '@spooled/grpc';
import { parsePart, toAppError } from '@spooled/http';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { WorkerCalls } from './worker-calls.js';

type ProcessCall = CallOf<typeof jobsGrpc.processJobs>;
type ProcessRequest = ProcessCall['requests'] extends AsyncIterable<infer R> ? R : never;

/** Requests of one stream that are under way at once; further ones are read when these are answered. */
const MAX_IN_FLIGHT = 64;
/** Answers on their way to the client before the next one waits. */
const MAX_PENDING = 16;

/** The `ProcessJobs` call: all a worker asks, on one stream. */
@Injectable()
export class ProcessJobs {
  constructor(
    private readonly worker: WorkerCalls,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Answers every request with one message, in the order in which they came. They are begun as they come, so that those
   * of one moment share a transaction. What cannot be done is told on the stream, which goes on.
   */
  async answerAll(call: ProcessCall): Promise<void> {
    call.stream.open();
    const inFlight: Promise<void>[] = [];
    let previous = Promise.resolve();
    for await (const request of call.requests) {
      previous = deliver(call, this.#answer(call, request), previous);
      inFlight.push(previous);
      if (inFlight.length === MAX_IN_FLIGHT) await inFlight.shift();
    }
    await previous;
  }

  async #answer(call: ProcessCall, request: ProcessRequest): Promise<GrpcProcessResponse> {
    try {
      call.admit();
      return await this.#act(call, request);
    } catch (error) {
      const { code, message } = toAppError(error);
      const name = PROCESS_ERRORS[code] ?? 'INTERNAL';
      if (name === 'INTERNAL') this.logger.error({ err: error }, 'request on a stream failed');
      return failed(name, message);
    }
  }

  async #act(
    { principal, signal }: ProcessCall,
    message: ProcessRequest,
  ): Promise<GrpcProcessResponse> {
    switch (message.request) {
      case 'dequeue': {
        const request = { ...parsePart(grpcDequeueRequest, message.dequeue), batch_size: 1 };
        const [job] = await this.worker.dequeue(principal, request, signal);
        return job === undefined ? failed('NO_JOBS', 'There is no job to claim now.') : { job };
      }
      case 'complete': {
        const request = parsePart(grpcCompleteRequest, message.complete);
        return { complete: await this.worker.complete(principal, request) };
      }
      case 'fail': {
        const request = parsePart(grpcFailRequest, message.fail);
        return { fail: await this.worker.fail(principal, request) };
      }
      case 'renew_lease': {
        const request = parsePart(grpcRenewLeaseRequest, message.renew_lease);
        return { renew_lease: await this.worker.renewLease(principal, request) };
      }
      default:
        return failed('INVALID_REQUEST', 'The message holds no request.');
    }
  }
}

/** Sends an answer after the previous one, when the transport takes it. */
async function deliver(
  { stream, signal }: ProcessCall,
  answer: Promise<GrpcProcessResponse>,
  previous: Promise<void>,
): Promise<void> {
  const [response] = await Promise.all([answer, previous]);
  if (stream.pending >= MAX_PENDING) await stream.drained();
  if (!signal.aborted) stream.write(response);
}

function failed(code: GrpcProcessError, message: string): GrpcProcessResponse {
  return { error: { code, message } };
}

/** What a refusal is called on the stream; any other is a fault of ours. */
const PROCESS_ERRORS: Partial<Record<ErrorCode, GrpcProcessError>> = {
  VALIDATION_ERROR: 'INVALID_ARGUMENT',
  BAD_REQUEST: 'INVALID_ARGUMENT',
  PAYLOAD_TOO_LARGE: 'INVALID_ARGUMENT',
  NOT_FOUND: 'NOT_FOUND',
  LEASE_EXPIRED: 'LEASE_EXPIRED',
  // It ended before: this worker's lease did, too.
  CONFLICT: 'LEASE_EXPIRED',
  ACCESS_DENIED: 'PERMISSION_DENIED',
  RATE_LIMIT_EXCEEDED: 'RATE_LIMIT_EXCEEDED',
  UNAUTHORIZED: 'UNAUTHENTICATED',
};
