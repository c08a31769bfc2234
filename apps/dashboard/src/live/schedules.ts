import type { Answer, SpooledEvent } from '@spooled/sdk';

import type { Resource } from './resources.js';

export type Schedule = Answer<'schedules', 'get'>;

/** Newest first. Events tell of runs; what is changed by hand is told by the answers. */
export const schedulesResource: Resource<readonly Schedule[]> = {
  key: 'schedules',
  load: (client, signal) => client.schedules.list({ limit: 500 }, { signal }),
  apply: (schedules, events) => {
    const ran = lastRuns(events);
    if (ran.size === 0) return schedules;
    return schedules.map((schedule) => afterRun(schedule, ran.get(schedule.id)));
  },
};

/** The last run of each schedule that these events tell of. */
export function lastRuns(events: readonly SpooledEvent[]): ReadonlyMap<string, string> {
  const ran = new Map<string, string>();
  for (const { type, data } of events)
    if (type === 'schedule.triggered') ran.set(data.scheduleId, data.timestamp);
  return ran;
}

export function afterRun(schedule: Schedule, lastRunAt: string | undefined): Schedule {
  if (lastRunAt === undefined || lastRunAt <= (schedule.lastRunAt ?? '')) return schedule;
  return { ...schedule, lastRunAt };
}
