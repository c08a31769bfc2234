import { Injectable } from '@nestjs/common';
import { adminActor } from '@spooled/audit';
import {
  AppError,
  effectiveLimits,
  isUuid,
  jobsRpc,
  plans,
  workersRpc,
  type AdminListQuery,
  type AdminOrganization,
  type AdminOrganizationList,
  type AdminSummary,
  type PlanTier,
  type PlatformStats,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { UsageService } from '../organizations/usage.service.js';
import { PlatformRepository, type SummaryRow } from './store/platform.repository.js';

const API_VERSION = '1';

/**
 * What the administrator asks of the whole platform. Each service counts what it owns; one that does not answer makes
 * the whole unknown, as for an organization's own usage.
 */
@Injectable()
export class AdminService {
  constructor(
    private readonly platform: PlatformRepository,
    private readonly usages: UsageService,
    private readonly bus: Bus,
  ) {}

  /** @throws AppError `SERVICE_UNAVAILABLE` */
  async list(query: AdminListQuery): Promise<AdminOrganizationList> {
    const { rows, total } = await this.platform.list(query);
    const organizationIds = rows.map(({ id }) => id);
    const [jobs, workers] = await Promise.all([
      this.bus.request(jobsRpc.usages, { organizationIds }),
      this.bus.request(workersRpc.usages, { organizationIds }),
    ]);
    const jobsOf = byId(jobs.organizations);
    const workersOf = byId(workers.organizations);
    const organizations = rows.map((row) => ({
      ...toSummary(row),
      usage: {
        jobs_today: jobsOf.get(row.id)?.jobsToday ?? 0,
        active_jobs: jobsOf.get(row.id)?.activeJobs ?? 0,
        queues: jobsOf.get(row.id)?.queues ?? 0,
        workers: workersOf.get(row.id)?.workers ?? 0,
        api_keys: row.api_keys,
      },
    }));
    return { organizations, total, limit: query.limit, offset: query.offset };
  }

  /** @throws AppError `NOT_FOUND`, `SERVICE_UNAVAILABLE` */
  async get(id: string): Promise<AdminOrganization> {
    const row = isUuid(id) ? await this.platform.find(id) : null;
    if (row === null) return unknownOrganization();
    const { settings, custom_limits } = row;
    const [usage, jobs] = await Promise.all([
      this.usages.under(effectiveLimits(row.plan_tier, custom_limits), id),
      this.bus.request(jobsRpc.usages, { organizationIds: [id] }),
    ]);
    return {
      ...toSummary(row),
      settings,
      custom_limits,
      usage_info: usage,
      api_keys_count: usage.usage.api_keys.current,
      total_jobs: jobs.organizations[0]?.totalJobs ?? 0,
    };
  }

  /** @throws AppError `NOT_FOUND`, `SERVICE_UNAVAILABLE` */
  async resetUsage(organizationId: string): Promise<void> {
    const row = isUuid(organizationId) ? await this.platform.find(organizationId) : null;
    if (row === null) return unknownOrganization();
    await this.bus.request(jobsRpc.resetUsage, { organizationId, actor: adminActor });
  }

  /** @throws AppError `SERVICE_UNAVAILABLE` */
  async stats(): Promise<PlatformStats> {
    const [byPlan, jobs, workers] = await Promise.all([
      this.platform.stats(),
      this.bus.request(jobsRpc.platform, {}),
      this.bus.request(workersRpc.platform, {}),
    ]);
    const sum = (field: 'count' | 'created_today' | 'created_this_week'): number =>
      byPlan.reduce((total, row) => total + row[field], 0);
    return {
      organizations: {
        total: sum('count'),
        by_plan: (Object.keys(plans) as PlanTier[]).map((plan) => ({
          plan,
          count: byPlan.find(({ plan_tier }) => plan_tier === plan)?.count ?? 0,
        })),
        created_today: sum('created_today'),
        created_this_week: sum('created_this_week'),
      },
      jobs: {
        total_active: jobs.active,
        pending: jobs.pending,
        processing: jobs.processing,
        completed_24h: jobs.completed24h,
        failed_24h: jobs.failed24h,
      },
      workers,
      system: { api_version: API_VERSION, uptime_seconds: Math.floor(process.uptime()) },
    };
  }
}

function byId<T extends { readonly organizationId: string }>(
  answers: readonly T[],
): ReadonlyMap<string, T> {
  return new Map(answers.map((answer) => [answer.organizationId, answer]));
}

function toSummary(row: SummaryRow): AdminSummary {
  return {
    id: row.id,
    name: row.name,
    slug: row.slug,
    plan_tier: row.plan_tier,
    billing_email: row.billing_email,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function unknownOrganization(): never {
  throw new AppError('NOT_FOUND', 'Organization not found');
}
