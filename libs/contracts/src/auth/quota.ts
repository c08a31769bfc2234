import { AppError } from '../errors.js';
import { plans, type PlanLimits, type PlanTier } from './plans.js';

/** Resources a plan limits by count, and the row of the plan table that does. */
export const countedResources = {
  jobs_per_day: 'max_jobs_per_day',
  active_jobs: 'max_active_jobs',
  queues: 'max_queues',
  workers: 'max_workers',
  api_keys: 'max_api_keys',
  schedules: 'max_schedules',
  workflows: 'max_workflows',
  webhooks: 'max_webhooks',
} as const satisfies Record<string, keyof PlanLimits>;
export type CountedResource = keyof typeof countedResources;

/**
 * The refusal of one more of a resource: `QUOTA_EXCEEDED`, or `FEATURE_DISABLED` when the plan has none of it at all;
 * `null` while there is room. `adding` is how many are asked for.
 */
export function quotaRefusal(
  plan: PlanLimits,
  resource: CountedResource,
  current: number,
  adding = 1,
): AppError | null {
  const limit = plan[countedResources[resource]];
  if (limit === null || current + adding <= limit) return null;
  const upgradeTo = nextPlanWithMore(plan.tier, resource, limit);
  const advice = upgradeTo === undefined ? '' : ` Upgrade to ${plans[upgradeTo].display_name}.`;
  if (limit === 0) {
    return new AppError(
      'FEATURE_DISABLED',
      `${resource} is not part of the ${plan.display_name} plan.${advice}`,
      {
        extra: {
          error: 'feature_disabled',
          feature: resource,
          plan: plan.tier,
          upgrade_to: upgradeTo ?? null,
        },
      },
    );
  }
  return new AppError(
    'QUOTA_EXCEEDED',
    `${resource} limit reached (${current}/${limit}) on the ${plan.display_name} plan.${advice}`,
    {
      extra: {
        error: 'limit_exceeded',
        resource,
        current,
        limit,
        plan: plan.tier,
        ...(upgradeTo === undefined ? {} : { upgrade_to: upgradeTo }),
      },
    },
  );
}

/** @throws AppError `PAYLOAD_TOO_LARGE` when a payload, as JSON text, is larger than the plan allows. */
export function requirePayloadFits(plan: PlanLimits, payload: string): void {
  const bytes = Buffer.byteLength(payload);
  const { max_payload_size_bytes: limit, tier } = plan;
  if (bytes <= limit) return;
  throw new AppError('PAYLOAD_TOO_LARGE', `Payload is ${bytes} bytes; the plan allows ${limit}.`, {
    extra: {
      error: 'payload_too_large',
      current: bytes,
      limit,
      plan: tier,
      upgrade_to: tier !== 'enterprise',
    },
  });
}

/** The cheapest larger plan that allows more than `limit` of a resource. */
function nextPlanWithMore(
  tier: PlanTier,
  resource: CountedResource,
  limit: number,
): PlanTier | undefined {
  const ladder = Object.keys(plans) as PlanTier[];
  return ladder.slice(ladder.indexOf(tier) + 1).find((candidate) => {
    const offered = plans[candidate][countedResources[resource]];
    return offered === null || offered > limit;
  });
}
