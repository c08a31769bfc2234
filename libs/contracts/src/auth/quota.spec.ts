import fc from 'fast-check';
import { effectiveLimits, plans, type PlanTier } from './plans.js';
import {
  countedResources,
  quotaRefusal,
  requirePayloadFits,
  type CountedResource,
} from './quota.js';

const tiers = fc.constantFrom(...(Object.keys(plans) as PlanTier[]));
const resources = fc.constantFrom(...(Object.keys(countedResources) as CountedResource[]));

describe('the refusal of a quota', () => {
  it('comes exactly when one more would pass the limit', () => {
    fc.assert(
      fc.property(tiers, resources, fc.nat(200_000), (tier, resource, current) => {
        const limit = plans[tier][countedResources[resource]];
        const refusal = quotaRefusal(plans[tier], resource, current);
        expect(refusal === null).toBe(limit === null || current < limit);
      }),
    );
  });

  it('counts all that are asked for', () => {
    expect(quotaRefusal(plans.free, 'active_jobs', 5, 5)).toBeNull();
    expect(quotaRefusal(plans.free, 'active_jobs', 5, 6)).not.toBeNull();
  });

  it('has the body of the contract', () => {
    const refusal = quotaRefusal(plans.free, 'api_keys', 2);
    expect(refusal?.code).toBe('QUOTA_EXCEEDED');
    expect(refusal?.message).toMatch(/^api_keys limit reached \(2\/2\)/);
    expect(refusal?.retryAfterSecs).toBeUndefined();
    expect(refusal?.extra).toEqual({
      error: 'limit_exceeded',
      resource: 'api_keys',
      current: 2,
      limit: 2,
      plan: 'free',
      upgrade_to: 'starter',
    });
  });

  it('calls what a plan has none of a disabled feature', () => {
    const refusal = quotaRefusal(plans.free, 'workflows', 0);
    expect(refusal?.code).toBe('FEATURE_DISABLED');
    expect(refusal?.extra).toEqual({
      error: 'feature_disabled',
      feature: 'workflows',
      plan: 'free',
      upgrade_to: 'starter',
    });
  });

  it('advises the cheapest plan with more, and none when there is none', () => {
    const generous = effectiveLimits('free', { max_workers: 10 });
    expect(quotaRefusal(generous, 'workers', 10)?.extra).toMatchObject({ upgrade_to: 'pro' });
    const capped = effectiveLimits('enterprise', { max_workers: 1 });
    expect(quotaRefusal(capped, 'workers', 1)?.extra).not.toHaveProperty('upgrade_to');
  });
});

describe('the limits of an organization', () => {
  it('are those of its plan, free when the plan is unknown', () => {
    expect(effectiveLimits('pro', null)).toEqual(plans.pro);
    for (const tier of ['deleted', 'platinum', '', '__proto__', 'constructor']) {
      expect(effectiveLimits(tier, null)).toEqual(plans.free);
    }
  });

  it('take overrides of known rows and right types only', () => {
    const limits = effectiveLimits('free', {
      max_queues: null,
      max_workers: 9,
      max_payload_size_bytes: null,
      max_api_keys: 'many',
      tier: 'enterprise',
      display_name: 'Mine',
      unknown: 1,
    });
    expect(limits).toEqual({ ...plans.free, max_queues: null, max_workers: 9 });
  });

  it('never change the plan table', () => {
    fc.assert(
      fc.property(tiers, fc.dictionary(fc.string(), fc.jsonValue()), (tier, custom) => {
        const before = structuredClone(plans);
        effectiveLimits(tier, custom);
        expect(plans).toEqual(before);
      }),
    );
  });
});

describe('a payload', () => {
  it('fits up to the last byte the plan allows, counted in UTF-8', () => {
    const plan = { ...plans.free, max_payload_size_bytes: 4 };
    expect(() => requirePayloadFits(plan, '"ü"')).not.toThrow();
    let refusal: unknown;
    try {
      requirePayloadFits(plan, '"üa"');
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      extra: { error: 'payload_too_large', current: 5, limit: 4, plan: 'free', upgrade_to: true },
    });
  });

  it('of the largest plan has nothing to be upgraded to', () => {
    const plan = { ...plans.enterprise, max_payload_size_bytes: 0 };
    expect(() => requirePayloadFits(plan, '1')).toThrow(
      expect.objectContaining({ extra: expect.objectContaining({ upgrade_to: false }) }),
    );
  });
});
