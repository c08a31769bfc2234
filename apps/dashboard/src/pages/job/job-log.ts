import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { isAbout } from './job-view.js';

export interface JobLog {
  readonly lines: Answer<'jobs', 'logs'>;
  /** Lines were written that did not arrive here. */
  readonly hasGap: boolean;
}

const LIMIT = 1000;

/** The first thousand lines, and whatever is written from now on. */
export function logResource(id: string): Resource<JobLog> {
  return {
    key: `log:${id}`,
    load: async (client, signal) => {
      const lines = await client.jobs.logs(id, { limit: LIMIT }, { signal });
      return { lines, hasGap: lines.length === LIMIT };
    },
    apply: (log, events) =>
      events.reduce((now, event) => {
        if (event.type !== 'job.log' || !isAbout(event, id)) return now;
        const { offset, lines, timestamp } = event.data;
        const known = now.lines.length - offset;
        const isGap = known < 0 || now.hasGap;
        const news = lines.slice(isGap ? 0 : known).map((line) => ({ line, loggedAt: timestamp }));
        return { lines: [...now.lines, ...news], hasGap: isGap };
      }, log),
  };
}
