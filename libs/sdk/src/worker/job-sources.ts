import { toCamelCase } from '../camel-case.js';
import type { SpooledClient } from '../client.js';
import {
  AuthenticationError,
  AuthorizationError,
  NetworkError,
  SpooledError,
  ValidationError,
} from '../errors.js';
import type { PushedJob, StreamFailure } from '../grpc.js';
import type { WorkerJob } from './job-context.js';

/** What a worker wants of where its jobs come from. */
export interface JobsWanted {
  readonly client: SpooledClient;
  readonly queueName: string;
  readonly workerId: string;
  readonly leaseDurationSecs: number;
  readonly concurrency: number;
  /** How many jobs more there may be at work now; waits while there are none. */
  readonly room: () => Promise<number>;
  /** The server has answered well. */
  readonly onWell: () => void;
  readonly signal: AbortSignal;
}

/** Jobs, each leased to the worker. @throws SpooledError when it is cut, or refused */
export type JobSource = (wanted: JobsWanted) => AsyncGenerator<WorkerJob, never>;

/** Calls that are held until there are jobs. */
export function polledJobs(waitSecs: number): JobSource {
  return async function* ({ client, room, onWell, signal, ...wanted }) {
    const { queueName, workerId, leaseDurationSecs } = wanted;
    for (;;) {
      const limit = await room();
      const request = { queueName, workerId, limit, leaseDurationSecs, waitSecs };
      const { jobs } = await client.jobs.claim(request, { signal });
      onWell();
      yield* jobs;
    }
  };
}

/** A stream on which the server pushes jobs, no more than the worker can be at. What is told of them goes over HTTP. */
export function pushedJobs(url: string): JobSource {
  return async function* ({ client, onWell, signal, ...wanted }) {
    const { streamJobs } = await grpcModule();
    const request = {
      queue_name: wanted.queueName,
      worker_id: wanted.workerId,
      lease_duration_secs: wanted.leaseDurationSecs,
      max_unsettled: wanted.concurrency,
    };
    for (let isRenewed = false; ; isRenewed = true) {
      const token = await client.credential.token();
      try {
        const options = { url, token, signal, onOpen: onWell };
        for await (const job of streamJobs(request, options)) yield await workerJob(client, job);
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        if (cause instanceof SpooledError) throw cause;
        const error = errorOfStream(cause as StreamFailure);
        const isStale = !isRenewed && error instanceof AuthenticationError;
        if (!isStale || !(await client.credential.renew?.())) throw error;
      }
    }
  };
}

/** In browsers it is an empty module. */
async function grpcModule(): Promise<typeof import('../grpc.js')> {
  try {
    return await import('../grpc.js');
  } catch (cause) {
    throw new SpooledError('install @grpc/grpc-js and @grpc/proto-loader to be pushed jobs', {
      code: 'CONFIGURATION_ERROR',
      cause,
    });
  }
}

async function workerJob(client: SpooledClient, job: PushedJob): Promise<WorkerJob> {
  const camel = toCamelCase(job) as WorkerJob;
  // What is no object is in the key `value` on this wire; an object with this one key looks the same.
  const [key, ...others] = Object.keys(job.payload);
  if (key !== 'value' || others.length > 0) return camel;
  const { payload } = await client.jobs.get(job.id);
  return { ...camel, payload };
}

const finalStatuses: Readonly<Record<number, new (text: string, facts: Facts) => SpooledError>> = {
  3: ValidationError,
  7: AuthorizationError,
  12: SpooledError,
  16: AuthenticationError,
};
type Facts = ConstructorParameters<typeof SpooledError>[1];
const codes: Readonly<Record<number, string>> = {
  3: 'VALIDATION_ERROR',
  7: 'ACCESS_DENIED',
  16: 'UNAUTHORIZED',
};

function errorOfStream({ status, message, retryAfterMs }: StreamFailure): SpooledError {
  const Final = finalStatuses[status];
  const code = codes[status] ?? 'UNKNOWN_ERROR';
  if (Final !== undefined) return new Final(message, { code });
  if (retryAfterMs === undefined) return new NetworkError(message);
  return new SpooledError(message, { code: 'UNAVAILABLE', retryable: true, retryAfterMs });
}
