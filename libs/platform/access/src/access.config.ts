import { env } from '@spooled/config';
import { z } from 'zod';

export const accessConfig = z.object({
  /** Between re-checks of the credential of each open stream, in milliseconds; covers for a lost change hint. */
  ACCESS_CHECK_INTERVAL_MS: env.int(4000, 100, 5000),
});
export type AccessConfig = Readonly<z.output<typeof accessConfig>>;

/** Injection token of `AccessConfig`. */
export const ACCESS_CONFIG = Symbol('ACCESS_CONFIG');
