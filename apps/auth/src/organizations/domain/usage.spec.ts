import { effectiveLimits, plans, usageInfo as wire, usedResource } from '@spooled/contracts';
import type { PlanLimits, UsedResource } from '@spooled/contracts';
import fc from 'fast-check';
import { usageInfo, type UsageCounts } from './usage.js';

function counts(over: Partial<UsageCounts> = {}): UsageCounts {
  return {
    ...(Object.fromEntries(usedResource.options.map((name) => [name, 0])) as UsageCounts),
    ...over,
  };
}

describe('the usage of a plan', () => {
  it('names each resource with its row of the plan table', () => {
    const distinct: PlanLimits = {
      ...plans.pro,
      max_jobs_per_day: 101,
      max_active_jobs: 102,
      max_queues: 103,
      max_workers: 104,
      max_api_keys: 105,
      max_schedules: 106,
      max_workflows: 107,
      max_webhooks: 108,
    };
    const { usage } = usageInfo(distinct, counts());
    expect(Object.entries(usage).map(([name, { limit }]) => [name, limit])).toEqual([
      ['jobs_today', 101],
      ['active_jobs', 102],
      ['queues', 103],
      ['workers', 104],
      ['api_keys', 105],
      ['schedules', 106],
      ['workflows', 107],
      ['webhooks', 108],
    ]);
  });

  it.each([
    // current, limit, percentage, is_disabled
    [0, 10, 0, false],
    [57, 100, 57, false],
    [1, 8, 12.5, false],
    [10, 10, 100, false],
    [15, 10, 150, false],
    [0, 0, null, true],
    [3, 0, null, true],
    [1_000_000, null, null, false],
  ])('of %j with a limit of %j is %j percent, disabled: %j', (current, limit, percentage, off) => {
    const limits = { ...plans.enterprise, max_queues: limit };
    expect(usageInfo(limits, counts({ queues: current })).usage.queues).toEqual({
      current,
      limit,
      percentage,
      is_disabled: off,
    });
  });

  it('is what the contract says, whatever is counted', () => {
    const tiers = fc.constantFrom(...Object.values(plans));
    const numbers = fc.record(
      Object.fromEntries(usedResource.options.map((name) => [name, fc.nat(200_000)])),
    );
    fc.assert(
      fc.property(tiers, numbers, (limits, counted) => {
        const info = usageInfo(limits, counted as UsageCounts);
        expect(wire.parse(info)).toEqual(info);
      }),
    );
  });

  it('shows custom limits on the name of the plan', () => {
    const limits = effectiveLimits('starter', { max_queues: 4 });
    expect(usageInfo(limits, counts({ queues: 1 }))).toMatchObject({
      plan: 'starter',
      plan_display_name: 'Starter',
      limits: { ...plans.starter, max_queues: 4 },
      usage: { queues: { current: 1, limit: 4, percentage: 25 } },
    });
  });
});

describe('a warning', () => {
  it.each([
    // tier, percent of 1000, severity
    ['free', 499, undefined],
    ['free', 500, 'warning'],
    ['free', 999, 'warning'],
    ['free', 1000, 'critical'],
    ['starter', 799, undefined],
    ['starter', 800, 'warning'],
    ['pro', 799, undefined],
    ['pro', 800, 'warning'],
    ['enterprise', 799, undefined],
    ['enterprise', 800, 'warning'],
    ['enterprise', 999, 'warning'],
    ['enterprise', 1000, 'critical'],
    ['enterprise', 1001, 'critical'],
  ] as const)('on the plan %s at %i of 1000 is %s', (tier, current, severity) => {
    for (const resource of usedResource.options) {
      const row = resource === 'jobs_today' ? 'max_jobs_per_day' : (`max_${resource}` as const);
      const limits = { ...plans.enterprise, tier, [row]: 1000 };
      const { warnings } = usageInfo(limits, counts({ [resource]: current }));
      expect(warnings).toEqual(
        severity === undefined ? [] : [{ resource, message: expect.any(String), severity }],
      );
    }
  });

  it('says how much of what is used', () => {
    const { warnings } = usageInfo(plans.free, counts({ active_jobs: 7, api_keys: 2 }));
    expect(warnings.map(({ message }) => message)).toEqual([
      'active_jobs: 7 of 10 used (70 %) on the Free plan.',
      'api_keys: 2 of 2 used (100 %) on the Free plan.',
    ]);
  });

  it.each<[string, UsedResource, number | null]>([
    ['what is off', 'workflows', 0],
    ['what is unlimited', 'queues', null],
  ])('is never given of %s', (_what, resource, limit) => {
    const limits = { ...plans.free, [`max_${resource}`]: limit };
    expect(usageInfo(limits, counts({ [resource]: 5 })).warnings).toEqual([]);
  });
});
