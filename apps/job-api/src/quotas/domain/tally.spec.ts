import { plans, type PlanLimits } from '@spooled/contracts';
import fc from 'fast-check';
import { limitsJobs, Tally, type Addition } from './tally.js';

const none = { jobsToday: 0, activeJobs: 0, queueNames: new Set<string>(), workflows: 0 };
const plan = (limits: Partial<PlanLimits>): PlanLimits => ({ ...plans.enterprise, ...limits });

const full: [name: string, limits: Partial<PlanLimits>, Addition, resource: string | null][] = [
  ['a job while there is room', { max_jobs_per_day: 6 }, { newJobs: 1 }, null],
  ['a job too many of the day', { max_jobs_per_day: 5 }, { newJobs: 1 }, 'jobs_per_day'],
  ['an active job too many', { max_active_jobs: 3 }, { newJobs: 1 }, 'active_jobs'],
  ['a revived job too many', { max_active_jobs: 3 }, { revivedJobs: 1 }, 'active_jobs'],
  ['a revived job on a full day', { max_jobs_per_day: 5 }, { revivedJobs: 1 }, null],
  ['two jobs where one has room', { max_active_jobs: 4 }, { newJobs: 2 }, 'active_jobs'],
  ['a known queue', { max_queues: 2 }, { newJobs: 1, queueNames: ['a', 'b'] }, null],
  ['a new queue too many', { max_queues: 2 }, { newJobs: 1, queueNames: ['a', 'c'] }, 'queues'],
  ['a new queue named twice', { max_queues: 3 }, { queueNames: ['c', 'c'] }, null],
  ['a workflow too many', { max_workflows: 1 }, { workflows: 1 }, 'workflows'],
  [
    'nothing, above every limit',
    { max_jobs_per_day: 1, max_active_jobs: 1, max_queues: 1 },
    {},
    null,
  ],
  [
    'the day before the active ones',
    { max_jobs_per_day: 5, max_active_jobs: 3, max_queues: 2 },
    { newJobs: 1, queueNames: ['c'] },
    'jobs_per_day',
  ],
  [
    'the active ones before the queues',
    { max_active_jobs: 3, max_queues: 2 },
    { newJobs: 1, queueNames: ['c'] },
    'active_jobs',
  ],
];
it.each(full)('judges %s', (_, limits, addition, resource) => {
  const counts = { jobsToday: 5, activeJobs: 3, queueNames: new Set(['a', 'b']), workflows: 1 };
  const tally = new Tally(counts);
  const refusal = tally.add(plan(limits), addition);
  expect(refusal?.extra?.['resource'] ?? null).toBe(resource);
  if (refusal !== null) expect(tally.counts).toEqual(counts);
});

it('counts what it admitted', () => {
  const tally = new Tally(none);
  tally.add(plan({}), { newJobs: 2, revivedJobs: 3, queueNames: ['a', 'a', 'b'], workflows: 1 });
  const queueNames = new Set(['a', 'b']);
  expect(tally.counts).toEqual({ jobsToday: 2, activeJobs: 5, queueNames, workflows: 1 });
});

it('says that a feature is off where the limit is zero', () => {
  expect(new Tally(none).add(plans.free, { workflows: 1 })).toMatchObject({
    code: 'FEATURE_DISABLED',
    extra: { error: 'feature_disabled', feature: 'workflows', plan: 'free', upgrade_to: 'starter' },
  });
});

it('never counts beyond a limit, whatever is asked in whatever order', () => {
  const addition = fc.record({
    newJobs: fc.nat(5),
    revivedJobs: fc.nat(3),
    queueNames: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
    workflows: fc.nat(1),
  });
  const limits = fc.record({
    max_jobs_per_day: fc.integer({ min: 1, max: 20 }),
    max_active_jobs: fc.integer({ min: 1, max: 20 }),
    max_queues: fc.integer({ min: 1, max: 4 }),
    max_workflows: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(limits, fc.array(addition, { maxLength: 30 }), (limit, additions) => {
      const tally = new Tally(none);
      for (const each of additions) {
        const before = tally.counts.jobsToday;
        const refusal = tally.add(plan(limit), each);
        expect(tally.counts.jobsToday - before).toBe(refusal === null ? each.newJobs : 0);
      }
      const { jobsToday, activeJobs, queueNames, workflows } = tally.counts;
      expect(jobsToday).toBeLessThanOrEqual(limit.max_jobs_per_day);
      expect(activeJobs).toBeLessThanOrEqual(limit.max_active_jobs);
      expect(queueNames.size).toBeLessThanOrEqual(limit.max_queues);
      expect(workflows).toBeLessThanOrEqual(limit.max_workflows);
    }),
  );
});

it.each([
  [{}, false],
  [{ max_workflows: 1 }, false],
  [{ max_jobs_per_day: 1 }, true],
  [{ max_active_jobs: 1 }, true],
  [{ max_queues: 1 }, true],
])('knows whether %j limits jobs', (limits, answer) => {
  expect(limitsJobs(plan(limits))).toBe(answer);
});
