import { hash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const ALL_ZERO = new Uint8Array(16);

/**
 * The id of the run of a tick, and of its job: a UUIDv7 whose time is the tick, and whose random bits are made of the
 * schedule. Whoever fires this tick makes this id, so nothing can come of it twice.
 */
export function tickRunId(scheduleId: string, tick: Date): string {
  const msecs = tick.getTime();
  return uuidv7({ msecs, random: hash('sha256', `${scheduleId} ${msecs}`, 'buffer') });
}

/** The id of a run that somebody asked for. */
export function triggeredRunId(): string {
  return uuidv7();
}

/** The lowest id that a run of that time, or later, can have. */
export function firstRunIdAt(msecs: number): string {
  return uuidv7({ msecs, random: ALL_ZERO, seq: 0 });
}
