import { z } from 'zod';
import { rpc } from '../rpc.js';
import { rpcSubject } from '../subjects.js';
import { storedEvent, type StoredEvent } from '../realtime/events.schema.js';

/** What one transaction added to an organization's event log: a dense run `first_seq..first_seq+events.length-1`. */
export const eventBatch = z.object({
  organization_id: z.uuid(),
  epoch: z.string(),
  first_seq: z.int().min(1),
  events: z.array(storedEvent).min(1),
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
