import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  workersRpc,
  type Principal,
  type Worker,
  type WorkerSummary,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { canBeWorkerId, toDetail, toSummary } from './domain/worker.js';
import { WorkerRepository } from './store/worker.repository.js';

/** What an operator, and other services, can learn of the workers. */
@Injectable()
export class RosterService implements OnModuleInit {
  constructor(
    private readonly workers: WorkerRepository,
    private readonly bus: Bus,
  ) {}

  onModuleInit(): void {
    this.bus.respond(workersRpc.active, async ({ organizationId, queueName }) => ({
      healthy: await this.workers.countHealthy(organizationId, queueName),
    }));
    this.bus.respond(workersRpc.presence, ({ organizationId, queueName }) =>
      this.workers.presence(organizationId, queueName),
    );
    this.bus.respond(workersRpc.summary, ({ organizationId, queueNames }) =>
      this.workers.summarize(organizationId, queueNames),
    );
    this.bus.respond(workersRpc.usages, async ({ organizationIds }) => ({
      organizations: await this.workers.usages(organizationIds),
    }));
    this.bus.respond(workersRpc.platform, () => this.workers.countEverywhere());
    this.bus.respond(workersRpc.forgetOrganization, async ({ organizationId }) => {
      await this.workers.forget(organizationId);
      return { isDone: true };
    });
  }

  async list({ organizationId, queues }: Principal): Promise<WorkerSummary[]> {
    return (await this.workers.list(organizationId, queues)).map(toSummary);
  }

  /** @throws AppError `NOT_FOUND` */
  async get(caller: Principal, id: string): Promise<Worker> {
    const row = canBeWorkerId(id) ? await this.workers.find(caller.organizationId, id) : null;
    if (row === null || !canUseQueue(caller, row.queue_name)) {
      throw new AppError('NOT_FOUND', 'There is no such worker.');
    }
    return toDetail(row);
  }
}
