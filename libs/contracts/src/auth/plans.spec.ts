import { effectiveLimits, planLimits, plans, type PlanLimits } from './plans.js';

type Row = Exclude<keyof PlanLimits, 'tier' | 'display_name'>;

/** The plan table of the contract: what free, starter, pro and enterprise allow. */
const contract: Record<Row, [number | null, number | null, number | null, number | null]> = {
  max_jobs_per_day: [1000, 10_000, 100_000, null],
  max_active_jobs: [10, 500, 5000, null],
  max_queues: [2, 10, 50, null],
  max_workers: [1, 5, 25, null],
  max_api_keys: [2, 5, 25, null],
  max_schedules: [1, 10, 50, null],
  max_workflows: [0, 5, 25, null],
  max_webhooks: [1, 5, 20, null],
  max_payload_size_bytes: [65_536, 262_144, 1_048_576, 5_242_880],
  rate_limit_requests_per_second: [5, 25, 100, 500],
  rate_limit_burst: [10, 50, 200, 1000],
  job_retention_days: [3, 14, 30, 90],
  history_retention_days: [1, 7, 30, 90],
};
const rows = Object.entries(contract) as [Row, (typeof contract)[Row]][];

describe('the plans', () => {
  it.each(rows)('have the %s of the contract', (row, limits) => {
    expect(Object.values(plans).map((plan) => plan[row])).toEqual(limits);
  });

  it('are four, by tier and name, and have no other rows', () => {
    expect(Object.values(plans).map(({ tier, display_name }) => [tier, display_name])).toEqual([
      ['free', 'Free'],
      ['starter', 'Starter'],
      ['pro', 'Pro'],
      ['enterprise', 'Enterprise'],
    ]);
    expect(Object.keys(planLimits.shape)).toEqual([
      'tier',
      'display_name',
      ...Object.keys(contract),
    ]);
  });
});

describe('effectiveLimits', () => {
  it('lays custom limits over the plan, key by key', () => {
    const limits = effectiveLimits('free', { max_active_jobs: 77, max_queues: null });
    expect(limits).toEqual({ ...plans.free, max_active_jobs: 77, max_queues: null });
  });

  it.each(rows)('overrides %s alone', (row, [, , , enterprise]) => {
    expect(effectiveLimits('free', { [row]: 7 })).toEqual({ ...plans.free, [row]: 7 });
    // Unlimited is what the plan table knows of counts; the other rows stay as they are.
    const expected = enterprise === null ? null : plans.free[row];
    expect(effectiveLimits('free', { [row]: null })).toEqual({ ...plans.free, [row]: expected });
  });

  it('takes an unknown tier as free', () => {
    for (const tier of ['gold', '', 'deleted', 'constructor', '__proto__']) {
      expect(effectiveLimits(tier, null)).toEqual(plans.free);
    }
  });

  it.each([
    ['null where a number is needed', { max_payload_size_bytes: null }],
    ['text', { max_active_jobs: '5' }],
    ['the tier', { tier: 'enterprise', display_name: 'Mine' }],
    ['unknown keys', { max_everything: 5, __proto__: { max_jobs_per_day: 1 } }],
    ['a list', [1, 2]],
    ['text instead of an object', 'max_active_jobs'],
    ['nothing', undefined],
  ])('ignores %s', (_, custom) => {
    expect(effectiveLimits('free', custom)).toEqual(plans.free);
  });

  it('never changes the plan itself', () => {
    effectiveLimits('pro', { max_workers: 1 });
    expect(plans.pro.max_workers).toBe(25);
  });
});
