import { standOf, type WorkflowStand } from './workflow-status.js';

const before: WorkflowStand = { status: 'pending', totalJobs: 3, completedJobs: 0, failedJobs: 0 };
const running: WorkflowStand = { ...before, status: 'running' };

const cases: [what: string, before: WorkflowStand, jobs: string, status: string][] = [
  ['nothing has begun', before, 'pending pending scheduled', 'pending'],
  ['one has begun', before, 'processing pending pending', 'running'],
  ['one is through', before, 'completed pending pending', 'running'],
  ['one was returned to wait', running, 'pending pending pending', 'running'],
  ['all are through', running, 'completed completed completed', 'completed'],
  ['none can go on', running, 'completed deadletter cancelled', 'failed'],
  [
    'it was cancelled before',
    { ...before, status: 'cancelled' },
    'completed cancelled cancelled',
    'cancelled',
  ],
];
it.each(cases)('says where a workflow stands when %s', (_, known, jobs, status) => {
  expect(standOf(known, jobs.split(' '), false).status).toBe(status);
});

it('counts what ended without completing', () => {
  const stand = standOf(running, ['completed', 'deadletter', 'cancelled'], false);
  expect(stand).toMatchObject({ totalJobs: 3, completedJobs: 1, failedJobs: 2 });
});

it('is cancelled as soon as a job was because of it', () => {
  expect(standOf(running, ['processing', 'cancelled', 'cancelled'], true).status).toBe('cancelled');
});
