import type { Answer, SpooledEvent } from '@spooled/sdk';

export type WorkflowStatus = Answer<'workflows', 'list'>[number]['status'];

const waiting: ReadonlySet<string> = new Set(['pending', 'scheduled']);
const live: ReadonlySet<string> = new Set([...waiting, 'processing']);

export interface WorkflowStand {
  readonly status: WorkflowStatus;
  readonly totalJobs: number;
  readonly completedJobs: number;
  /** Ended without completing. */
  readonly failedJobs: number;
}

/** Where a workflow stands by its jobs. The server tells of jobs, not of workflows: this is its own rule. */
export function standOf(
  before: WorkflowStand,
  jobStatuses: readonly string[],
  isCancelled: boolean,
): WorkflowStand {
  const totalJobs = Math.max(before.totalJobs, jobStatuses.length);
  const completedJobs = jobStatuses.filter((status) => status === 'completed').length;
  const liveJobs = jobStatuses.filter((status) => live.has(status)).length;
  const failedJobs = totalJobs - completedJobs - liveJobs;
  const hasBegun =
    before.status !== 'pending' || jobStatuses.some((status) => !waiting.has(status));
  const counts = { totalJobs, completedJobs, failedJobs };
  // It stays so, whatever its running jobs come to.
  if (isCancelled || before.status === 'cancelled') return { ...counts, status: 'cancelled' };
  if (completedJobs === totalJobs) return { ...counts, status: 'completed' };
  if (liveJobs === 0) return { ...counts, status: 'failed' };
  return { ...counts, status: hasBegun ? 'running' : 'pending' };
}

/** Jobs that were cancelled because their workflow was. */
export function cancelledWithWorkflow(events: readonly SpooledEvent[]): ReadonlySet<string> {
  const jobs = new Set<string>();
  for (const { type, data } of events)
    if (type === 'job.status' && data.reason === 'workflow_cancelled') jobs.add(data.jobId);
  return jobs;
}
