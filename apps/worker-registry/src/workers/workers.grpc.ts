import { Injectable } from '@nestjs/common';
import { AppError, workersGrpc } from '@spooled/contracts';
import { Grpc, type CallOf } from '@spooled/grpc';
import { HeartbeatService } from './heartbeat.service.js';
import { RegistrationService } from './registration.service.js';

/** Edge, gRPC: the same as over HTTP, except that a worker nobody knows is an answer, not an error. */
@Injectable()
export class WorkersGrpc {
  constructor(
    private readonly registration: RegistrationService,
    private readonly heartbeats: HeartbeatService,
  ) {}

  @Grpc(workersGrpc.register)
  async register({ principal, request }: CallOf<typeof workersGrpc.register>) {
    const { id, ...intervals } = await this.registration.register(principal, request);
    return { worker_id: id, ...intervals };
  }

  @Grpc(workersGrpc.heartbeat)
  async heartbeat({ principal, request }: CallOf<typeof workersGrpc.heartbeat>) {
    const status = await orUnknown(this.heartbeats.report(principal, request.worker_id, request));
    return { acknowledged: status !== null, should_drain: status === 'draining' };
  }

  @Grpc(workersGrpc.deregister)
  async deregister({ principal, request }: CallOf<typeof workersGrpc.deregister>) {
    const ended = await orUnknown(
      this.registration.deregister(principal, request.worker_id).then(() => true),
    );
    return { success: ended === true };
  }
}

/** Null for a worker that nobody knows, or that ended. */
async function orUnknown<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AppError && UNKNOWN.has(error.code)) return null;
    throw error;
  }
}

const UNKNOWN: ReadonlySet<string> = new Set(['NOT_FOUND', 'CONFLICT']);
