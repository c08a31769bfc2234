import { z } from 'zod';

/** The rows of the plan table; `null` means unlimited. */
export const planLimits = z.object({
  tier: z.enum(['free', 'starter', 'pro', 'enterprise']),
  display_name: z.string(),
  max_jobs_per_day: z.number().nullable(),
  max_active_jobs: z.number().nullable(),
  max_queues: z.number().nullable(),
  max_workers: z.number().nullable(),
  max_api_keys: z.number().nullable(),
  max_schedules: z.number().nullable(),
  max_workflows: z.number().nullable(),
  max_webhooks: z.number().nullable(),
  max_payload_size_bytes: z.number(),
  rate_limit_requests_per_second: z.number(),
  rate_limit_burst: z.number(),
  job_retention_days: z.number(),
  history_retention_days: z.number(),
});
export type PlanLimits = z.output<typeof planLimits>;
export type PlanTier = PlanLimits['tier'];

const KIB = 1024;

export const plans: Readonly<Record<PlanTier, PlanLimits>> = {
  free: plan('free', 'Free', [1000, 10, 2, 1, 2, 1, 0, 1], 64 * KIB, [5, 10], [3, 1]),
  starter: plan(
    'starter',
    'Starter',
    [10_000, 500, 10, 5, 5, 10, 5, 5],
    256 * KIB,
    [25, 50],
    [14, 7],
  ),
  pro: plan(
    'pro',
    'Pro',
    [100_000, 5000, 50, 25, 25, 50, 25, 20],
    1024 * KIB,
    [100, 200],
    [30, 30],
  ),
  enterprise: plan(
    'enterprise',
    'Enterprise',
    [null, null, null, null, null, null, null, null],
    5 * 1024 * KIB,
    [500, 1000],
    [90, 90],
  ),
};

/**
 * The limits that hold for an organization: its plan (an unknown tier behaves as free) with `custom_limits` laid over
 * it by the same keys. `null` is taken only where the plan table knows "unlimited"; anything ill-typed is ignored.
 */
export function effectiveLimits(tier: string, customLimits: unknown): PlanLimits {
  const base = Object.hasOwn(plans, tier) ? plans[tier as PlanTier] : plans.free;
  if (typeof customLimits !== 'object' || customLimits === null) return base;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(customLimits)) {
    if (key === 'tier' || key === 'display_name' || !Object.hasOwn(planLimits.shape, key)) continue;
    const field = planLimits.shape[key as keyof typeof planLimits.shape];
    if (field.safeParse(value).success) merged[key] = value;
  }
  return merged as PlanLimits;
}

type Count = number | null;

function plan(
  tier: PlanTier,
  displayName: string,
  [jobs, active, queues, workers, keys, schedules, workflows, webhooks]: [
    Count,
    Count,
    Count,
    Count,
    Count,
    Count,
    Count,
    Count,
  ],
  maxPayloadBytes: number,
  [ratePerSecond, burst]: [number, number],
  [jobDays, historyDays]: [number, number],
): PlanLimits {
  return Object.freeze({
    tier,
    display_name: displayName,
    max_jobs_per_day: jobs,
    max_active_jobs: active,
    max_queues: queues,
    max_workers: workers,
    max_api_keys: keys,
    max_schedules: schedules,
    max_workflows: workflows,
    max_webhooks: webhooks,
    max_payload_size_bytes: maxPayloadBytes,
    rate_limit_requests_per_second: ratePerSecond,
    rate_limit_burst: burst,
    job_retention_days: jobDays,
    history_retention_days: historyDays,
  });
}
