import {
  countedResources,
  usedResource,
  type CountedResource,
  type PlanLimits,
  type UsageInfo,
  type UsageItem,
  type UsageWarning,
  type UsedResource,
} from '@spooled/contracts';

export type UsageCounts = Readonly<Record<UsedResource, number>>;

/** Shares of a limit, in percent, from which it is warned of. */
const WARNING_PERCENT = { free: 50, starter: 80, pro: 80, enterprise: 80 } as const;
const CRITICAL_PERCENT = 100;

/** What is used of each limit, and a warning of each that is nearly or fully used. */
export function usageInfo(limits: PlanLimits, counts: UsageCounts): UsageInfo {
  const items = usedResource.options.map((resource) => {
    const limit = limits[countedResources[countedAs(resource)]];
    return [resource, usageItem(counts[resource], limit)] as const;
  });
  return {
    plan: limits.tier,
    plan_display_name: limits.display_name,
    limits,
    usage: Object.fromEntries(items) as Record<UsedResource, UsageItem>,
    warnings: items.flatMap(([resource, item]) => warningOf(limits, resource, item)),
  };
}

/** The resource's name in quota errors. */
function countedAs(resource: UsedResource): CountedResource {
  return resource === 'jobs_today' ? 'jobs_per_day' : resource;
}

function usageItem(current: number, limit: number | null): UsageItem {
  const percentage = limit === null || limit === 0 ? null : (current * 100) / limit;
  return { current, limit, percentage, is_disabled: limit === 0 };
}

function warningOf(
  { tier, display_name }: PlanLimits,
  resource: UsedResource,
  { current, limit, percentage }: UsageItem,
): UsageWarning[] {
  if (percentage === null || percentage < WARNING_PERCENT[tier]) return [];
  const severity = percentage < CRITICAL_PERCENT ? 'warning' : 'critical';
  const message = `${resource}: ${current} of ${limit} used (${Math.floor(percentage)} %) on the ${display_name} plan.`;
  return [{ resource, message, severity }];
}
