import { z } from 'zod';
import { instantField, optionalText, queueNameField, struct } from '../grpc-fields.js';
import { grpcMethod } from '../grpc.js';
import { text } from '../text.js';
import { eventTag } from './event-tag.js';
import type { EventTag } from './events.schema.js';
import { selectEvents } from './select-events.js';

const MAX_LISTED = 500;
const MAX_EVENT_TYPES = 50;

/** The events that are asked for; null = those that everybody gets. Unlike over WebSocket an unknown name is refused. */
const eventTypes = z
  .array(z.string().max(100))
  .max(MAX_EVENT_TYPES)
  .transform((given, context): ReadonlySet<EventTag> | null => {
    const names = given.map((name) => name.trim()).filter((name) => name !== '');
    const tags: EventTag[] = [];
    for (const name of names) {
      const tag = eventTag(name);
      if (tag !== undefined) tags.push(tag);
      else if (name !== '*') {
        context.addIssue({ code: 'custom', message: `unknown event type ${JSON.stringify(name)}` });
        return z.NEVER;
      }
    }
    return selectEvents(tags, names.length === 0 || names.includes('*'));
  });

const subscribe = z.object({
  queue_names: z.array(queueNameField).max(MAX_LISTED),
  job_ids: z.array(text(1, 255)).max(MAX_LISTED),
  event_types: eventTypes,
  /** One that is no cursor at all is answered on the stream, as one that is too old. */
  last_event_id: optionalText(z.string().nullable()),
});
export type GrpcSubscribeRequest = z.output<typeof subscribe>;

const event = z.object({
  id: z.string().nullish(),
  type: z.custom<EventTag>(),
  name: z.string(),
  timestamp: instantField,
  data: struct,
});
export type GrpcEvent = z.input<typeof event>;

export const eventsGrpc = {
  subscribeEvents: grpcMethod({
    service: 'spooled.v1.EventService',
    method: 'SubscribeEvents',
    kind: 'server-stream',
    request: subscribe,
    response: event,
  }),
};
