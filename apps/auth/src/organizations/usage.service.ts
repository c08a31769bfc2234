import { Injectable } from '@nestjs/common';
import {
  AppError,
  jobsRpc,
  schedulesRpc,
  webhooksRpc,
  workersRpc,
  type PlanLimits,
  type UsageInfo,
} from '@spooled/contracts';
import { Bus, isUnserved } from '@spooled/nats';
import { KeyRepository } from '../keys/store/key.repository.js';
import { usageInfo } from './domain/usage.js';
import { OrganizationsService } from './organizations.service.js';

/**
 * What an organization uses of its plan. Each service counts what it owns; one that does not answer makes the whole
 * unknown, since a zero in its place would be a lie that looks like room.
 */
@Injectable()
export class UsageService {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly keys: KeyRepository,
    private readonly bus: Bus,
  ) {}

  /** @throws AppError `NOT_FOUND`, `SERVICE_UNAVAILABLE` when something cannot be counted now. */
  async of(organizationId: string): Promise<UsageInfo> {
    return this.under(await this.#limits(organizationId), organizationId);
  }

  /** The same for limits that are known. @throws AppError `SERVICE_UNAVAILABLE` */
  async under(limits: PlanLimits, organizationId: string): Promise<UsageInfo> {
    const question = { organizationId };
    const [apiKeys, jobs, workers, schedules, webhooks] = await Promise.all([
      this.keys.countActiveNow(organizationId),
      this.bus.request(jobsRpc.usage, question),
      this.bus.request(workersRpc.summary, { ...question, queueNames: null }),
      this.bus.request(schedulesRpc.usage, question),
      this.#webhooks(organizationId),
    ]);
    return usageInfo(limits, {
      jobs_today: jobs.jobsToday,
      active_jobs: jobs.activeJobs,
      queues: jobs.queues,
      workers: workers.counted,
      api_keys: apiKeys,
      schedules: schedules.schedules,
      workflows: jobs.workflows,
      webhooks,
    });
  }

  async #limits(organizationId: string): Promise<PlanLimits> {
    const [found] = await this.organizations.plans([organizationId]);
    if (found === undefined) throw new AppError('NOT_FOUND', 'Organization not found');
    return found.plan;
  }

  /** A deployment may do without the service of webhooks; then there are none. */
  async #webhooks(organizationId: string): Promise<number> {
    try {
      return (await this.bus.request(webhooksRpc.usage, { organizationId })).webhooks;
    } catch (error) {
      if (isUnserved(error)) return 0;
      throw error;
    }
  }
}
