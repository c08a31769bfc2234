import { eventNames, optInEvents, type EventTag } from './events.schema.js';

const byDefault = (Object.keys(eventNames) as EventTag[]).filter((tag) => !optInEvents.has(tag));

/** The events that are asked for by these tags, or by `*` and these tags; null = those that everybody gets. */
export function selectEvents(
  tags: readonly EventTag[],
  hasStar: boolean,
): ReadonlySet<EventTag> | null {
  if (!hasStar) return new Set(tags);
  const isMore = tags.some((tag) => optInEvents.has(tag));
  return isMore ? new Set([...byDefault, ...tags]) : null;
}
