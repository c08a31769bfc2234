import { Injectable, type OnModuleInit } from '@nestjs/common';
import { jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { QueueService } from './queue.service.js';

/** Edge, bus: what other services ask about queues. */
@Injectable()
export class QueuesResponder implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly queues: QueueService,
  ) {}

  onModuleInit(): void {
    this.bus.respond(jobsRpc.setScheduledQueues, async ({ organizationId, queueNames }) => {
      await this.queues.setScheduled(organizationId, queueNames);
      return {};
    });
  }
}
