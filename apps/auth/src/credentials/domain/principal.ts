import { effectiveLimits, type Principal } from '@spooled/contracts';

/** What a key grants now, as its record and its organization's say. */
export interface Access {
  readonly organization_id: string;
  readonly id: string;
  readonly queues: readonly string[];
  readonly rate_limit: number | null;
  readonly expires_at: Date | null;
  readonly plan_tier: string;
  readonly custom_limits: unknown;
}

/** How the key was presented. */
export type Presented = Pick<Principal, 'credential' | 'token' | 'narrowedTo'>;

/** Queue scope and limits come from the records, never from what was presented. */
export function principalOf(access: Access, presented: Presented): Principal {
  return {
    ...presented,
    organizationId: access.organization_id,
    apiKeyId: access.id,
    queues: access.queues.includes('*') ? [] : [...access.queues],
    plan: effectiveLimits(access.plan_tier, access.custom_limits),
    keyRateLimit: access.rate_limit,
    keyExpiresAt: access.expires_at?.toISOString() ?? null,
  };
}
