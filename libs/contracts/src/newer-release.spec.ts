import { eventBatch } from './events/event-batch.js';
import type { StoredEvent } from './realtime/events.schema.js';
import { rpcFailure } from './rpc.js';
import { webhookEventOf } from './webhooks/webhook-event.js';

const timestamp = '2026-11-28T12:00:00.000Z';
const newer = { type: 'JobSplit', data: { timestamp, parts: 2 } };
const paused = { type: 'QueuePaused', data: { queue_name: 'emails', reason: null, timestamp } };

function batchOf(...events: readonly unknown[]) {
  const place = { organization_id: '01a22401-ff4b-77ed-afab-c623e564da0c', epoch: 'e' };
  return eventBatch.safeParse({ ...place, first_seq: 1, events });
}

describe('what a newer release says', () => {
  it('keeps the place of an event in its batch', () => {
    expect(batchOf(newer, paused).data?.events).toEqual([newer, paused]);
  });

  it('is not told to webhooks', () => {
    expect(webhookEventOf(newer as unknown as StoredEvent)).toBeNull();
  });

  it('may have more fields, which are left out', () => {
    const longer = { ...paused, more: 1, data: { ...paused.data, more: 1 } };
    expect(batchOf(longer).data?.events).toEqual([paused]);
  });

  it('must still make sense where it is known', () => {
    expect(batchOf({ type: 'QueuePaused', data: { timestamp } }).success).toBe(false);
    expect(batchOf({ type: 'JobSplit' }).success).toBe(false);
  });

  it('as a refusal is one of ours with its message', () => {
    const failure = { code: 'TOO_EARLY', message: 'Not before noon.' };
    expect(rpcFailure.parse(failure)).toEqual({ ...failure, code: 'INTERNAL_ERROR' });
  });
});
