import { jobsRpc, type ControlEvent, type QueueCounters } from '@spooled/contracts';
import type { FeedEvent } from '@spooled/event-log';
import type { Bus } from '@spooled/nats';
import type { OrganizationHub } from './organization-hub.js';
import { Pace } from './pace.js';

/** Queues asked about in one question. */
const BATCH = 500;

export type QueueStatsEvent = Extract<ControlEvent, { type: 'QueueStats' }>;

/** Tells one organization's listeners how their queues stand: soon after a change, at most once per interval. */
export class QueueStats {
  readonly #changed = new Set<string>();
  readonly #pace: Pace;

  constructor(
    private readonly hub: OrganizationHub,
    private readonly bus: Bus,
    intervalMs: number,
  ) {
    this.#pace = new Pace(intervalMs, () => this.#tell());
  }

  noteEvents(events: readonly FeedEvent[]): void {
    for (const { event } of events) if ('job_id' in event.data) this.note(event.data.queue_name);
  }

  /** The queue's counters may be others now. */
  note(queueName: string): void {
    this.#changed.add(queueName);
    this.#pace.ask();
  }

  close(): void {
    this.#pace.stop();
  }

  async #tell(): Promise<void> {
    const watched = [...this.#changed].filter((name) => this.hub.wants(blank(name)));
    const asked = watched.slice(0, BATCH);
    this.#changed.clear();
    for (const name of watched.slice(BATCH)) this.note(name);
    try {
      for (const event of await askCounters(this.bus, this.hub.organizationId, asked)) {
        this.hub.tell(event);
      }
    } catch {
      // Counters of later are as good as counters of now.
      for (const name of asked) this.note(name);
    }
  }
}

/** The present `QueueStats` of each queue. @throws AppError `SERVICE_UNAVAILABLE` */
export async function askCounters(
  bus: Bus,
  organizationId: string,
  queueNames: readonly string[],
): Promise<readonly QueueStatsEvent[]> {
  if (queueNames.length === 0) return [];
  const { queues } = await bus.request(jobsRpc.counters, {
    organizationId,
    queueNames: [...queueNames],
  });
  return queues.map(toEvent);
}

function toEvent(counters: QueueCounters): QueueStatsEvent {
  const { queueName, pending, scheduled, processing, completed, deadletter, paused } = counters;
  return {
    type: 'QueueStats',
    data: {
      queue_name: queueName,
      pending: pending + scheduled,
      processing,
      completed,
      // No server path leaves a job in `failed`.
      failed: deadletter,
      scheduled,
      deadletter,
      paused,
      timestamp: new Date().toISOString(),
    },
  };
}

function blank(queueName: string): QueueStatsEvent {
  return toEvent({
    queueName,
    pending: 0,
    scheduled: 0,
    processing: 0,
    completed: 0,
    deadletter: 0,
    cancelled: 0,
    paused: false,
  });
}
