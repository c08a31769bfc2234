import { z } from 'zod';
import { optionalMap, optionalText, queueNameField } from '../grpc-fields.js';
import { grpcMethod } from '../grpc.js';
import { text } from '../text.js';
import { heartbeatRequest, registerWorkerRequest, workerStatus } from './workers.api.js';

const service = 'spooled.v1.WorkerService' as const;
const DEFAULT_CONCURRENCY = 5;
/** More than over REST: published clients of this protocol ask for it. */
const MAX_CONCURRENCY = 1000;

const rest = registerWorkerRequest.shape;

/** A `RegisterWorkerRequest` of REST when parsed. */
const register = z.object({
  queue_name: queueNameField,
  /** Unlike over REST it may end with `.` or `-`, as full domain names do. */
  hostname: text(1, 255).regex(
    /^[A-Za-z0-9_][A-Za-z0-9._-]*$/,
    'must use A-Z a-z 0-9 . _ - and not start with . or -',
  ),
  worker_type: optionalText(rest.worker_type),
  max_concurrency: z
    .int()
    .transform((value) =>
      value === 0 ? DEFAULT_CONCURRENCY : Math.min(Math.max(value, 1), MAX_CONCURRENCY),
    ),
  version: optionalText(rest.version),
  metadata: optionalMap(rest.metadata),
  worker_id: optionalText(rest.worker_id),
});

/** A worker id and a `HeartbeatRequest` of REST when parsed. */
const heartbeat = heartbeatRequest.extend({
  worker_id: z.string(),
  status: workerStatus.catch('healthy'),
  metadata: optionalMap(heartbeatRequest.shape.metadata).describe('null: the stored one is kept'),
});

export const workersGrpc = {
  register: grpcMethod({
    service,
    method: 'Register',
    kind: 'unary',
    request: register,
    response: z.object({
      worker_id: z.string(),
      lease_duration_secs: z.int(),
      heartbeat_interval_secs: z.int(),
    }),
  }),
  heartbeat: grpcMethod({
    service,
    method: 'Heartbeat',
    kind: 'unary',
    request: heartbeat,
    response: z.object({ acknowledged: z.boolean(), should_drain: z.boolean() }),
  }),
  deregister: grpcMethod({
    service,
    method: 'Deregister',
    kind: 'unary',
    /** What cannot be an id is an unknown one. */
    request: z.object({ worker_id: z.string() }),
    response: z.object({ success: z.boolean() }),
  }),
};
