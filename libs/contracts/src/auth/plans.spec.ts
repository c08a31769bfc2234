import { effectiveLimits, plans } from './plans.js';

describe('the plans', () => {
  it('are those of the contract', () => {
    const { free, enterprise } = plans;
    expect(free).toMatchObject({
      max_jobs_per_day: 1000,
      max_active_jobs: 10,
      max_queues: 2,
      max_workers: 1,
      max_workflows: 0,
      max_payload_size_bytes: 65_536,
      rate_limit_requests_per_second: 5,
      rate_limit_burst: 10,
      job_retention_days: 3,
      history_retention_days: 1,
    });
    expect(enterprise).toMatchObject({
      max_jobs_per_day: null,
      max_payload_size_bytes: 5_242_880,
      rate_limit_requests_per_second: 500,
      job_retention_days: 90,
    });
  });
});

describe('effectiveLimits', () => {
  it('lays custom limits over the plan, key by key', () => {
    const limits = effectiveLimits('free', { max_active_jobs: 77, max_queues: null });
    expect(limits).toEqual({ ...plans.free, max_active_jobs: 77, max_queues: null });
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
