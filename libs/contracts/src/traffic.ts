import { z } from 'zod';
import { hint } from './rpc.js';
import { hintSubject } from './subjects.js';

/** Longer names are not told: whoever bears one is limited by each process alone. */
export const MAX_LIMITED_NAME_CHARS = 100;
/** Names of each kind in one message: all kinds together stay well below what the bus carries. */
export const MAX_NAMES_PER_TELL = 1000;

/** An id, a hash or an address; never a secret. */
const name = z.string().max(MAX_LIMITED_NAME_CHARS);
const taken = z.int().positive();
/** Per kind of limit; who does not know a kind has no use for it. */
const byKind = <T extends z.ZodType>(entry: T) =>
  z.record(z.string(), z.array(entry).max(MAX_NAMES_PER_TELL));

/** What one process let through since it last told: the others count it as their own. */
export const trafficTold = hint({
  subject: hintSubject('traffic'),
  payload: z.object({
    /** Token buckets: name, requests, rate per second, capacity. */
    buckets: byKind(z.tuple([name, taken, z.number(), z.number()])),
    /** Fixed windows: name, requests, end of the window in unix milliseconds. */
    windows: byKind(z.tuple([name, taken, z.number()])),
  }),
});
export type TrafficTold = z.output<typeof trafficTold.payload>;
