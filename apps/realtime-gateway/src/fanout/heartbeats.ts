import type { ControlEvent } from '@spooled/contracts';
import type { FeedEvent } from '@spooled/event-log';
import type { OrganizationHub } from './organization-hub.js';
import { Pace } from './pace.js';

type Heartbeat = Extract<ControlEvent, { type: 'WorkerHeartbeat' }>;

/** Tells one organization's listeners how their workers are: of each worker the newest, at most once per interval. */
export class Heartbeats {
  readonly #newest = new Map<string, Heartbeat>();
  readonly #pace: Pace;

  constructor(
    private readonly hub: OrganizationHub,
    intervalMs: number,
  ) {
    this.#pace = new Pace(intervalMs, () => this.#tell());
  }

  note(data: Heartbeat['data']): void {
    this.#newest.set(data.worker_id, { type: 'WorkerHeartbeat', data });
    this.#pace.ask();
  }

  /** A worker that is told to be gone must not seem to come back. */
  noteEvents(events: readonly FeedEvent[]): void {
    for (const { event } of events) {
      if (event.type === 'WorkerDeregistered') this.#newest.delete(event.data.worker_id);
    }
  }

  close(): void {
    this.#pace.stop();
  }

  #tell(): void {
    for (const event of this.#newest.values()) {
      if (this.hub.wants(event)) this.hub.tell(event);
    }
    this.#newest.clear();
  }
}
