import { MAX_EVENT_BYTES, type JobLogData } from '@spooled/contracts';

/** Lines that were appended in one call, as the `data` of as many `JobLog` events as it takes to keep each small enough. */
export function logEvents({
  lines,
  ...log
}: Omit<JobLogData, 'lines'> & { readonly lines: readonly string[] }): JobLogData[] {
  const offset = log.offset + lines.length;
  const room = MAX_EVENT_BYTES - jsonBytes({ type: 'JobLog', data: { ...log, offset, lines: [] } });
  const events: JobLogData[] = [];
  let left = 0;
  for (const [index, line] of lines.entries()) {
    // What the database made of half a surrogate pair.
    const text = line.toWellFormed();
    const bytes = jsonBytes(text) + 1;
    if (bytes > left) {
      events.push({ ...log, offset: log.offset + index, lines: [] });
      left = room;
    }
    left -= bytes;
    events.at(-1)!.lines.push(text);
  }
  return events;
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
