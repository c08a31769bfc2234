/** What `top` shows, made of one look at the start and of events after it. */
import type { SpooledEvent } from '@spooled/sdk';

export interface QueueLine {
  readonly name: string;
  pending: number;
  processing: number;
  /** Failed and dead-lettered; null until it is told. */
  failed: number | null;
  paused: boolean;
}

export interface WorkerLine {
  readonly id: string;
  readonly queue: string;
  status: string;
  currentJobs: number;
}

export interface JobLine {
  readonly id: string;
  readonly queue: string;
  status: string;
  at: number;
}

export type Rated = 'created' | 'completed' | 'failed';

const RATE_WINDOW_SECS = 10;
const MAX_JOBS = 50;

export class TopModel {
  readonly queues = new Map<string, QueueLine>();
  readonly workers = new Map<string, WorkerLine>();
  /** The one that changed last comes last. */
  readonly jobs = new Map<string, JobLine>();
  /** How many there were in each second of the window, by queue and kind. */
  private readonly counts = new Map<string, Map<number, number>>();

  /** What was there before the first event, or since a gap. */
  reset(queues: readonly QueueLine[], workers: readonly WorkerLine[]): void {
    this.queues.clear();
    this.workers.clear();
    for (const queue of queues) this.queues.set(queue.name, { ...queue });
    for (const worker of workers) this.workers.set(worker.id, { ...worker });
  }

  apply(event: SpooledEvent, now = Date.now()): void {
    switch (event.type) {
      case 'job.created':
        this.count(event.data.queueName, 'created', now);
        this.seen(event.data.jobId, event.data.queueName, event.data.status, now);
        break;
      case 'job.status':
        this.seen(event.data.jobId, event.data.queueName, event.data.newStatus, now);
        break;
      case 'job.completed':
        this.count(event.data.queueName, 'completed', now);
        break;
      case 'job.failed':
        this.count(event.data.queueName, 'failed', now);
        break;
      case 'queue.stats': {
        const { queueName, pending, processing, failed, paused } = event.data;
        Object.assign(this.queue(queueName), { pending, processing, failed, paused });
        break;
      }
      case 'queue.paused':
      case 'queue.resumed':
        this.queue(event.data.queueName).paused = event.type === 'queue.paused';
        break;
      case 'worker.registered':
        this.worker(event.data.workerId, event.data.queueName).status = 'healthy';
        break;
      case 'worker.heartbeat': {
        const { workerId, queueName, status, currentJobs } = event.data;
        Object.assign(this.worker(workerId, queueName), { status, currentJobs });
        break;
      }
      case 'worker.deregistered':
        this.workers.delete(event.data.workerId);
        break;
      default:
    }
  }

  /** Events a second, over the last ten seconds. */
  rate(queue: string, kind: Rated, now = Date.now()): number {
    const counts = this.counts.get(`${kind} ${queue}`);
    if (counts === undefined) return 0;
    let sum = 0;
    for (const [second, count] of counts) {
      if (second > now / 1000 - RATE_WINDOW_SECS) sum += count;
      else counts.delete(second);
    }
    return sum / RATE_WINDOW_SECS;
  }

  private count(queue: string, kind: Rated, now: number): void {
    this.queue(queue);
    const counts = entry(this.counts, `${kind} ${queue}`, () => new Map<number, number>());
    const second = Math.floor(now / 1000);
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }

  private seen(id: string, queue: string, status: string, at: number): void {
    this.jobs.delete(id);
    this.jobs.set(id, { id, queue, status, at });
    const [oldest] = this.jobs.keys();
    if (this.jobs.size > MAX_JOBS && oldest !== undefined) this.jobs.delete(oldest);
  }

  private queue(name: string): QueueLine {
    return entry(this.queues, name, () => ({
      name,
      pending: 0,
      processing: 0,
      failed: null,
      paused: false,
    }));
  }

  private worker(id: string, queue: string): WorkerLine {
    return entry(this.workers, id, () => ({ id, queue, status: 'healthy', currentJobs: 0 }));
  }
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
