import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  quotaRefusal,
  type Principal,
  type RegisteredWorker,
  type RegisterWorkerRequest,
} from '@spooled/contracts';
import { EventLog } from '@spooled/event-log';
import { Database, type Transaction } from '@spooled/postgres';
import { randomUUID } from 'node:crypto';
import { WORKER_REGISTRY_CONFIG, type WorkerRegistryConfig } from '../config.js';
import { workerDeregistered, workerRegistered } from './domain/worker-events.js';
import { canBeWorkerId, takesSlot, type WorkerRow } from './domain/worker.js';
import { ReleaseService } from './release.service.js';
import { WorkerRepository, type Registration, type ReleaseRow } from './store/worker.repository.js';

const DEFAULT_CONCURRENCY = 5;

/** What a worker does at the beginning and at the end of its life. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly database: Database,
    private readonly workers: WorkerRepository,
    private readonly eventLog: EventLog,
    private readonly releases: ReleaseService,
    @Inject(WORKER_REGISTRY_CONFIG) private readonly config: WorkerRegistryConfig,
  ) {}

  /**
   * @throws AppError `ACCESS_DENIED` for a queue out of scope, `CONFLICT` for an id that is not the caller's to use,
   * `QUOTA_EXCEEDED` or `FEATURE_DISABLED` when the plan has no slot left.
   */
  async register(caller: Principal, request: RegisterWorkerRequest): Promise<RegisteredWorker> {
    if (!canUseQueue(caller, request.queue_name)) {
      throw new AppError('ACCESS_DENIED', 'The key may not use this queue.');
    }
    const { organizationId } = caller;
    const registration = toRegistration(request);
    await this.database.transaction([organizationId], async (tx) => {
      const [, isOurs] = await Promise.all([
        this.workers.lockSlots(tx, organizationId),
        this.workers.claimId(tx, organizationId, registration.id),
      ]);
      const [existing, taken] = await Promise.all([
        this.workers.lock(tx, organizationId, registration.id),
        this.workers.countSlots(tx, organizationId),
      ]);
      // A worker out of the key's scope is as foreign as another organization's.
      if (!isOurs || (existing !== null && !canUseQueue(caller, existing.queue_name))) {
        throw new AppError('CONFLICT', 'This worker_id is taken.');
      }
      if (existing === null || !takesSlot(existing.status)) {
        const refusal = quotaRefusal(caller.plan, 'workers', taken);
        if (refusal !== null) throw refusal;
      }
      const row = await this.workers.register(tx, organizationId, registration);
      const events = [workerRegistered(row, row.updated_at)];
      this.eventLog.append(tx, [{ organizationId, events }]);
    });
    return {
      id: registration.id,
      queue_name: registration.queueName,
      lease_duration_secs: this.config.WORKER_LEASE_DURATION_SECS,
      heartbeat_interval_secs: this.config.WORKER_HEARTBEAT_INTERVAL_SECS,
    };
  }

  /**
   * Ends a worker and gives its jobs back; a second call finds nothing to do. When the jobs cannot be given back now,
   * the mark on the worker makes sure that they will be.
   * @throws AppError `NOT_FOUND`
   */
  async deregister(caller: Principal, id: string): Promise<void> {
    if (!canBeWorkerId(id)) throw unknown();
    const { organizationId } = caller;
    const release = await this.database.transaction([organizationId], async (tx) => {
      const worker = await this.workers.lock(tx, organizationId, id);
      if (worker === null || !canUseQueue(caller, worker.queue_name)) throw unknown();
      return this.#end(tx, worker);
    });
    if (release !== null) await this.releases.tryNow(release);
  }

  async #end(
    tx: Transaction,
    { organization_id, id, ended }: WorkerRow,
  ): Promise<ReleaseRow | null> {
    if (ended === 'stale') await this.workers.confirmEnd(tx, organization_id, id);
    const row = await this.workers.deregister(tx, organization_id, id);
    if (row === null) return null;
    const events = [workerDeregistered(row, 'requested', row.updated_at)];
    this.eventLog.append(tx, [{ organizationId: organization_id, events }]);
    return { ...row, release_cause: 'requested' };
  }
}

function toRegistration(request: RegisterWorkerRequest): Registration {
  return {
    id: request.worker_id ?? randomUUID(),
    queueName: request.queue_name,
    hostname: request.hostname,
    workerType: request.worker_type ?? null,
    version: request.version ?? null,
    maxConcurrency: request.max_concurrency ?? DEFAULT_CONCURRENCY,
    metadata: request.metadata ?? {},
  };
}

function unknown(): AppError {
  return new AppError('NOT_FOUND', 'There is no such worker.');
}
