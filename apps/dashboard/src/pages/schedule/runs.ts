import type { Answer } from '@spooled/sdk';

import { jobStatuses } from '../../live/job-statuses.js';
import type { Resource } from '../../live/resources.js';

export type Run = Pick<
  Answer<'schedules', 'history'>[number],
  'jobId' | 'status' | 'errorMessage' | 'startedAt' | 'jobStatus'
>;

/** The newest runs, with where their jobs stand now. */
export function runsResource(scheduleId: string): Resource<readonly Run[]> {
  return {
    key: `schedule:${scheduleId}:runs`,
    load: (client, signal) => client.schedules.getHistory(scheduleId, { limit: 100 }, { signal }),
    apply: (runs, events) => {
      const statuses = jobStatuses(events);
      const known = new Set(runs.map(({ jobId }) => jobId));
      const added: Run[] = [];
      for (const { type, data } of events) {
        if (type !== 'schedule.triggered' || data.scheduleId !== scheduleId) continue;
        const { jobId, timestamp: startedAt } = data;
        if (known.has(jobId)) continue;
        known.add(jobId);
        added.unshift({
          jobId,
          startedAt,
          status: 'completed',
          errorMessage: null,
          jobStatus: 'pending',
        });
      }
      const isTold = runs.some(({ jobId }) => jobId !== null && statuses.has(jobId));
      if (added.length === 0 && !isTold) return runs;
      return [...added, ...runs].map((run) => {
        const jobStatus = statuses.get(run.jobId ?? '') as Run['jobStatus'] | undefined;
        return jobStatus === undefined ? run : { ...run, jobStatus };
      });
    },
  };
}
