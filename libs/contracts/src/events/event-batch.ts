import { z } from 'zod';
import { rpc } from '../rpc.js';
import { rpcSubject } from '../subjects.js';
import { instant } from '../text.js';
import { storedEvent, type StoredEvent } from '../realtime/events.schema.js';

const knownTypes = new Set<string>(storedEvent.options.map(({ shape }) => shape.type.value));

/**
 * What a newer release tells and this one does not know, as while one is rolled out. It has its number, without which the
 * log would have a hole, so it is read like the others; nobody is told of it here.
 */
const newerEvent = z.object({
  type: z.string().refine((type) => !knownTypes.has(type)),
  data: z.looseObject({ timestamp: instant }),
});

/** What one transaction added to an organization's event log: a dense run `first_seq..first_seq+events.length-1`. */
export const eventBatch = z.object({
  organization_id: z.uuid(),
  epoch: z.string(),
  first_seq: z.int().min(1),
  // The type is that of those who are told.
  events: z.array(z.union([storedEvent, newerEvent]) as z.ZodType<StoredEvent>).min(1),
});
export interface EventBatch {
  readonly organization_id: string;
  readonly epoch: string;
  readonly first_seq: number;
  readonly events: readonly StoredEvent[];
}

export const eventLogRpc = {
  /** Where each organization's log stands: `oldest` is the first sequence still held (`newest + 1` when none is). */
  positions: rpc({
    subject: rpcSubject('events', 'positions'),
    request: z.object({ organizationIds: z.array(z.uuid()).min(1).max(1000) }),
    response: z.object({
      epoch: z.string(),
      positions: z.array(
        z.object({ organizationId: z.uuid(), oldest: z.int().min(1), newest: z.int().min(0) }),
      ),
    }),
    timeoutMs: 5000,
  }),
  /** Stored events with `after < seq <= upTo`, oldest first, at most a page of them; `done` when there are no more. */
  replay: rpc({
    subject: rpcSubject('events', 'replay'),
    request: z.object({
      organizationId: z.uuid(),
      after: z.int().min(0),
      upTo: z.int().min(0).nullable(),
    }),
    response: z.object({
      epoch: z.string(),
      oldest: z.int().min(1),
      newest: z.int().min(0),
      batches: z.array(eventBatch),
      done: z.boolean(),
    }),
    timeoutMs: 10_000,
  }),
};
