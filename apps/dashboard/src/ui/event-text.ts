import type { LogEvent } from '../live/activity.js';
import { durationText } from './time.js';

export interface EventText {
  /** As in `StatusBadge`. */
  readonly status: string;
  readonly word: string;
  readonly more: string;
}

/** What an event says to somebody who reads along. */
export function eventText(event: LogEvent): EventText {
  switch (event.type) {
    case 'job.created':
      return {
        status: event.data.status,
        word: 'created',
        more: priorityText(event.data.priority),
      };
    case 'job.status': {
      const { newStatus, reason } = event.data;
      return { status: newStatus, word: newStatus, more: reason?.replaceAll('_', ' ') ?? '' };
    }
    case 'job.completed':
      return {
        status: 'completed',
        word: 'result',
        more: `after ${durationText(event.data.durationMs)}`,
      };
    case 'job.failed': {
      const { error, willRetry } = event.data;
      return {
        status: 'failed',
        word: 'failed',
        more: willRetry ? `${error} · is tried again` : error,
      };
    }
    case 'worker.registered':
      return { status: 'healthy', word: 'worker came', more: event.data.hostname };
    case 'worker.deregistered':
      return { status: 'offline', word: 'worker left', more: event.data.reason };
    case 'queue.paused':
      return { status: 'paused', word: 'paused', more: event.data.reason ?? '' };
    case 'queue.resumed':
      return {
        status: 'active',
        word: 'resumed',
        more: `after ${event.data.pausedDurationSecs} s`,
      };
    case 'schedule.triggered':
      return { status: 'scheduled', word: 'schedule fired', more: '' };
  }
}

function priorityText(priority: number): string {
  return priority === 0 ? '' : `priority ${priority}`;
}

/** Whether another event says the same, and more: of a job that ends well there are two. */
export function isTold(event: LogEvent): boolean {
  return event.type === 'job.status' && event.data.newStatus === 'completed';
}
