import { z } from 'zod';
import { hint } from '../rpc.js';
import { hintSubject } from '../subjects.js';

/** Lines of one message; they take about 50 bytes each, and the bus carries 1 MB. */
export const MAX_HELD_PER_TELL = 5000;

/** Open streams that one gateway holds, so that all of them keep an organization's caps together. */
export const streamsHeld = hint({
  subject: hintSubject('streams'),
  payload: z.object({
    /** Kind of stream and organization, as one name, and how many; 0 = none any more. */
    held: z.array(z.tuple([z.string().max(100), z.int().min(0)])).max(MAX_HELD_PER_TELL),
  }),
});
export type StreamsHeld = z.output<typeof streamsHeld.payload>;
