import { eventNames, type EventTag } from './events.schema.js';

const tags: ReadonlyMap<string, EventTag> = new Map([
  // The SDKs' own name for it.
  ['job.status_changed', 'JobStatusChange' as const],
  ...(Object.entries(eventNames) as [EventTag, string][]).flatMap(
    ([tag, name]): [string, EventTag][] => [
      [name, tag],
      [tag.toLowerCase(), tag],
    ],
  ),
]);

/** The event that a name stands for: a dotted name or a wire tag, in any case. Undefined for one we do not know. */
export function eventTag(name: string): EventTag | undefined {
  return tags.get(name.toLowerCase());
}
