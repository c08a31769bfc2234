import type { Answer } from '@spooled/sdk';

import { jobStatuses } from '../../live/job-statuses.js';
import type { Resource } from '../../live/resources.js';
import { cancelledWithWorkflow, standOf } from '../../live/workflow-status.js';

type Detail = Answer<'workflows', 'get'>;

export type WorkflowJob = Pick<Detail['jobs'][number], 'id' | 'key' | 'queue' | 'status'> & {
  readonly errorText: string | null;
  /** Of a running job that reports it. */
  readonly percent: number | null;
};

export type WorkflowView = Pick<
  Detail,
  | 'name'
  | 'description'
  | 'status'
  | 'totalJobs'
  | 'completedJobs'
  | 'failedJobs'
  | 'createdAt'
  | 'dependencies'
> & { readonly jobs: readonly WorkflowJob[] };

export function workflowKey(id: string): string {
  return `workflow:${id}`;
}

export function workflowResource(id: string): Resource<WorkflowView> {
  return {
    key: workflowKey(id),
    load: async (client, signal) => {
      const { jobs, ...workflow } = await client.workflows.get(id, { signal });
      return {
        ...workflow,
        jobs: jobs.map(({ error, ...job }) => ({
          ...job,
          errorText: error?.message ?? null,
          percent: null,
        })),
      };
    },
    apply: (workflow, events) => {
      const statuses = jobStatuses(events);
      const cancelled = cancelledWithWorkflow(events);
      const percents = new Map<string, number>();
      const errors = new Map<string, string>();
      for (const { type, data } of events) {
        if (type === 'job.progress') percents.set(data.jobId, data.percent);
        if (type === 'job.failed') errors.set(data.jobId, data.error);
      }
      const isConcerned = ({ id: job }: WorkflowJob) =>
        statuses.has(job) || percents.has(job) || errors.has(job);
      if (!workflow.jobs.some(isConcerned)) return workflow;
      const jobs = workflow.jobs.map((job) => {
        if (!isConcerned(job)) return job;
        const status = (statuses.get(job.id) ?? job.status) as WorkflowJob['status'];
        const percent = status === 'processing' ? (percents.get(job.id) ?? job.percent) : null;
        return { ...job, status, percent, errorText: errors.get(job.id) ?? job.errorText };
      });
      const isCancelled = jobs.some((job) => cancelled.has(job.id));
      const stand = standOf(
        workflow,
        jobs.map(({ status }) => status),
        isCancelled,
      );
      return { ...workflow, ...stand, jobs };
    },
  };
}
