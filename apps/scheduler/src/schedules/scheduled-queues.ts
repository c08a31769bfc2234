import { Inject, Injectable } from '@nestjs/common';
import { jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database, type Transaction } from '@spooled/postgres';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { ScheduleRepository, type Usage } from './store/schedule.repository.js';

/**
 * Keeps job-api informed of the queues that an organization's active schedules feed; they exist without jobs and count
 * against the plan. A further queue is asked for before it is fed; that one is fed no more is told afterwards, and told
 * again by a loop in case the word was lost. Every word is all queues, and words of one organization take turns.
 */
@Injectable()
export class ScheduledQueues {
  constructor(
    private readonly database: Database,
    private readonly schedules: ScheduleRepository,
    private readonly bus: Bus,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Asks for a queue. `usage` is what the caller read under the lock it holds until its schedule is written.
   * @throws AppError `QUOTA_EXCEEDED` when it is one queue too many, `SERVICE_UNAVAILABLE` when job-api cannot be asked
   */
  async claim(
    tx: Transaction,
    organizationId: string,
    { queue_names }: Usage,
    queueName: string,
  ): Promise<void> {
    if (queue_names.includes(queueName)) return;
    await this.schedules.markFeeder(tx, organizationId);
    const queueNames = [...queue_names, queueName];
    await this.bus.request(jobsRpc.setScheduledQueues, { organizationId, queueNames });
  }

  /** @throws AppError what job-api answered, or `SERVICE_UNAVAILABLE` when it cannot be asked */
  async tell(organizationId: string): Promise<void> {
    await this.database.transaction([organizationId], async (tx) => {
      const { queue_names: queueNames } = await this.schedules.lockUsage(tx, organizationId);
      await this.bus.request(jobsRpc.setScheduledQueues, {
        organizationId,
        queueNames: [...queueNames],
      });
      if (queueNames.length === 0) await this.schedules.unmarkFeeder(tx, organizationId);
    });
  }

  /** Never throws: what fails now is repeated by the loop. */
  async tryTell(organizationId: string): Promise<void> {
    try {
      await this.tell(organizationId);
    } catch (error) {
      this.logger.warn({ err: error, organizationId }, 'job-api hears of fewer queues later');
    }
  }
}
