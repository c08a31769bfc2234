const MAX_CHARS = 64;

/** The queue of jobs that come of a sender's events: its name and the event's, as far as queue names go. */
export function queueOf(sender: 'github' | 'stripe', event: string): string {
  return `${sender}-${event.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`.slice(0, MAX_CHARS);
}
