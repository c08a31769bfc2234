import { Injectable } from '@nestjs/common';
import { environmentName } from '@spooled/config';
import {
  AppError,
  isUnrestricted,
  workersRpc,
  type Dashboard,
  type Principal,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Readiness } from '@spooled/runtime';
import { createRequire } from 'node:module';
import { DashboardRepository } from './store/dashboard.repository.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** Use case of whoever looks after an organization's jobs: see all at once. */
@Injectable()
export class DashboardService {
  readonly #startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
  readonly #environment = environmentName();

  constructor(
    private readonly dashboard: DashboardRepository,
    private readonly bus: Bus,
    private readonly readiness: Readiness,
  ) {}

  /** @throws AppError `SERVICE_UNAVAILABLE` without the database: zeros would be taken for counts */
  async read(caller: Principal): Promise<Dashboard> {
    const { organizationId } = caller;
    const queueNames = isUnrestricted(caller) ? null : caller.queues;
    const [{ jobs, queues, recentActivity }, workers, isDatabaseUp] = await Promise.all([
      this.dashboard.read(organizationId, queueNames),
      this.#workers(organizationId, queueNames),
      this.readiness.holds('database'),
    ]);
    return {
      system: {
        version,
        uptime_seconds: Math.floor(process.uptime()),
        started_at: this.#startedAt,
        database_status: healthOf(isDatabaseUp),
        cache_status: healthOf(this.bus.isConnected),
        environment: this.#environment,
      },
      jobs,
      queues,
      workers,
      recent_activity: recentActivity,
    };
  }

  /** A part of the answer that another service knows; without it the rest is still worth having. */
  async #workers(
    organizationId: string,
    queueNames: string[] | null,
  ): Promise<Dashboard['workers']> {
    try {
      const summary = await this.bus.request(workersRpc.summary, { organizationId, queueNames });
      const { total, healthy } = summary;
      return { total, healthy, unhealthy: total - healthy };
    } catch (error) {
      if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') {
        return { total: 0, healthy: 0, unhealthy: 0 };
      }
      throw error;
    }
  }
}

function healthOf(isUp: boolean): 'healthy' | 'unhealthy' {
  return isUp ? 'healthy' : 'unhealthy';
}
