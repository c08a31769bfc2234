import type { JobLogData, JobProgressData } from '@spooled/contracts';
import type { FeedEvent } from '@spooled/event-log';
import { Coalescer } from './coalescer.js';
import type { OrganizationHub } from './organization-hub.js';

const PROGRESS_INTERVAL_MS = 1000;

/** What workers report while they are at an organization's jobs, for those who ask for it by name. */
export class JobReports {
  readonly #progress: Coalescer<JobProgressData>;
  readonly #unsubscribe: () => void;

  constructor(private readonly hub: OrganizationHub) {
    this.#progress = new Coalescer(PROGRESS_INTERVAL_MS, (data) =>
      hub.tell({ type: 'JobProgress', data }),
    );
    this.#unsubscribe = hub.feed.subscribe({
      onEvents: (events) => this.#flush(events),
      onReset: () => undefined,
    });
  }

  /** Whether reports are of any use at the moment. */
  get isWanted(): boolean {
    return this.hub.hasNaming || this.#progress.size > 0;
  }

  noteProgress(data: JobProgressData): void {
    // What is held back must not be told after something newer, even if nobody wanted that one.
    if (this.#progress.has(data.job_id) || this.hub.wants({ type: 'JobProgress', data })) {
      this.#progress.note(data.job_id, data);
    }
  }

  noteLog(data: JobLogData): void {
    this.hub.tell({ type: 'JobLog', data });
  }

  close(): void {
    this.#unsubscribe();
    this.#progress.close();
  }

  /** A job's last report goes before the events of its outcome, after which its stream ends. */
  #flush(events: readonly FeedEvent[]): void {
    for (const { event } of events)
      if ('job_id' in event.data) this.#progress.flush(event.data.job_id);
  }
}
