import type { Answer, SpooledClient, SpooledEvent } from '@spooled/sdk';

import { jobStatuses } from '../../live/job-statuses.js';
import type { Resource } from '../../live/resources.js';
import { cancelledWithWorkflow, standOf, type WorkflowStand } from '../../live/workflow-status.js';

export interface WorkflowRow extends WorkflowStand {
  readonly id: string;
  /** Undefined of one that came after the list was read: events do not tell it. */
  readonly name: string | undefined;
  readonly createdAt: string;
  /** Where its jobs stand, by id; undefined of one that is over for good. */
  readonly jobs: ReadonlyMap<string, string> | undefined;
}

export const PAGE_SIZE = 25;

export interface WorkflowFilter {
  readonly status: WorkflowStand['status'] | undefined;
  /** From 1. */
  readonly page: number;
}

/** Newest first. Of those that may still change, the jobs are read too, so that events can be told apart. */
export function workflowsResource({
  status,
  page,
}: WorkflowFilter): Resource<readonly WorkflowRow[]> {
  const takesNew = page === 1 && status === undefined;
  return {
    key: `workflows:${status}:${page}`,
    load: async (client, signal) => {
      const query = { status, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE };
      const listed = await client.workflows.list(query, { signal });
      return Promise.all(listed.map((workflow) => toRow(client, workflow, signal)));
    },
    apply: (rows, events) => {
      const statuses = jobStatuses(events);
      if (statuses.size === 0) return rows;
      const cancelled = cancelledWithWorkflow(events);
      const all = takesNew ? withNew(rows, events) : rows;
      const next = all.map((row) => afterEvents(row, statuses, cancelled));
      return next.length === rows.length && next.every((row, n) => row === rows[n]) ? rows : next;
    },
  };
}

async function toRow(
  client: SpooledClient,
  workflow: Answer<'workflows', 'list'>[number],
  signal: AbortSignal,
): Promise<WorkflowRow> {
  const { id, name, status, totalJobs, completedJobs, failedJobs, createdAt } = workflow;
  const row = { id, name, status, totalJobs, completedJobs, failedJobs, createdAt };
  // A failed one may be retried.
  if (status === 'completed' || status === 'cancelled') return { ...row, jobs: undefined };
  const jobs = await client.workflows.jobs.getStatus(id, { signal });
  return { ...row, jobs: new Map(jobs.map((job) => [job.jobId, job.status])) };
}

function withNew(
  rows: readonly WorkflowRow[],
  events: readonly SpooledEvent[],
): readonly WorkflowRow[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const added = new Map<string, WorkflowRow>();
  for (const { type, data } of events) {
    if (type !== 'job.created' || data.workflowId === undefined) continue;
    const id = data.workflowId;
    const row = byId.get(id) ?? newRow(id, data.timestamp);
    if (row.jobs === undefined || row.jobs.has(data.jobId)) continue;
    const next = { ...row, jobs: new Map(row.jobs).set(data.jobId, data.status) };
    const grown = { ...next, totalJobs: Math.max(next.totalJobs, next.jobs.size) };
    byId.set(id, grown);
    if (!rows.some((known) => known.id === id)) added.set(id, grown);
  }
  return [...[...added.values()].reverse(), ...rows.map((row) => byId.get(row.id) ?? row)];
}

function newRow(id: string, createdAt: string): WorkflowRow {
  const counts = { totalJobs: 0, completedJobs: 0, failedJobs: 0 };
  return { id, name: undefined, status: 'pending', ...counts, createdAt, jobs: new Map() };
}

function afterEvents(
  row: WorkflowRow,
  statuses: ReadonlyMap<string, string>,
  cancelled: ReadonlySet<string>,
): WorkflowRow {
  if (row.jobs === undefined) return row;
  const known = [...row.jobs.keys()];
  if (!known.some((id) => statuses.has(id))) return row;
  const jobs = new Map([...row.jobs].map(([id, status]) => [id, statuses.get(id) ?? status]));
  const isCancelled = known.some((id) => cancelled.has(id));
  return { ...row, jobs, ...standOf(row, [...jobs.values()], isCancelled) };
}
