import type { JobStatus, RealtimeEvent } from '@spooled/contracts';

const TERMINAL: ReadonlySet<string> = new Set<JobStatus>([
  'completed',
  'failed',
  'deadletter',
  'cancelled',
]);

export function isTerminal(status: string): boolean {
  return TERMINAL.has(status);
}

/**
 * Whether an event ends the story of its job: `end` is the last word, `ending` makes the job terminal, and the event
 * that tells the outcome may follow in the same transaction.
 */
export function endOf(event: RealtimeEvent): 'end' | 'ending' | undefined {
  switch (event.type) {
    case 'JobCompleted':
      return 'end';
    case 'JobFailed':
      return event.data.will_retry ? undefined : 'end';
    case 'JobStatusChange':
      if (!isTerminal(event.data.new_status)) return undefined;
      return event.data.new_status === 'cancelled' ? 'end' : 'ending';
    default:
      return undefined;
  }
}
