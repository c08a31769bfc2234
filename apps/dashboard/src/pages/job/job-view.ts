import type { Job as WireJob } from '@spooled/contracts';
import type { SpooledEvent } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { mayBeRounded, memberTexts } from '../../ui/json-text.js';

interface Progress {
  readonly percent: number;
  readonly message: string | null;
}

/** A job, with what is its owner's own as text: numbers in it may be larger than JavaScript can hold. */
export interface JobView {
  readonly job: Omit<WireJob, 'payload' | 'result' | 'tags'> & {
    readonly progress?: Progress | null;
  };
  readonly payload: string;
  readonly tags: string;
  readonly result: string;
  /** Told by an event that did not say all of it, digit by digit. */
  readonly isResultPartial: boolean;
}

export function jobResource(id: string): Resource<JobView> {
  return {
    key: `job:${id}`,
    load: async (client, signal) => {
      const text = await client.jobs.getText(id, { signal });
      const members = memberTexts(text);
      return {
        job: JSON.parse(text) as JobView['job'],
        payload: members.get('payload') ?? 'null',
        tags: members.get('tags') ?? 'null',
        result: members.get('result') ?? 'null',
        isResultPartial: false,
      };
    },
    apply: (view, events) =>
      events.reduce((now, event) => (isAbout(event, id) ? changed(now, event) : now), view),
  };
}

export type JobEvent = Extract<SpooledEvent, { data: { jobId: string } }>;

export function isAbout(event: SpooledEvent, jobId: string): event is JobEvent {
  return 'jobId' in event.data && event.data.jobId === jobId;
}

function changed(view: JobView, event: JobEvent): JobView {
  const with_ = (job: Partial<JobView['job']>): JobView => ({
    ...view,
    job: { ...view.job, ...job },
  });
  switch (event.type) {
    case 'job.status': {
      const { newStatus, workerId, timestamp } = event.data;
      const status = newStatus as WireJob['status'];
      if (status === 'processing') {
        const assigned_worker_id = workerId ?? null;
        return with_({ status, assigned_worker_id, started_at: timestamp, progress: null });
      }
      const isOver = status === 'completed' || status === 'cancelled' || status === 'deadletter';
      return with_({ status, ...(isOver && { completed_at: timestamp }) });
    }
    case 'job.completed': {
      const { result = null, resultTruncated = false } = event.data;
      return {
        ...view,
        result: JSON.stringify(result),
        isResultPartial: resultTruncated || mayBeRounded(result),
      };
    }
    case 'job.failed': {
      const { error, retryCount, nextRetryAt } = event.data;
      return with_({
        last_error: error,
        retry_count: retryCount,
        ...(nextRetryAt !== undefined && { scheduled_at: nextRetryAt }),
      });
    }
    case 'job.progress':
      return with_({ progress: event.data });
    default:
      return view;
  }
}
