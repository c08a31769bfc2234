import { z } from 'zod';

/** PostgreSQL text cannot hold U+0000, so no accepted string may. */
const NUL = '\u0000';

/** A string of `min`..`max` characters without NUL. */
export function text(min: number, max: number) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine((value) => !value.includes(NUL), 'must not contain a NUL character');
}

/** Queue name: 1-100 of `A-Z a-z 0-9 . _ -`, not starting with `.` or `-`. */
export const queueName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'must use A-Z a-z 0-9 . _ - and not start with . or -');

/** An instant: RFC 3339 with any offset, given back as RFC 3339 UTC. */
export const timestamp = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value).toISOString());

/** An instant we wrote ourselves. */
export const instant = z.iso.datetime();

/** Any JSON value. */
export const json = z.unknown();

/** A JSON object whose text is at most `maxBytes` long. */
export function jsonObject(maxBytes: number) {
  return z
    .record(z.string(), z.unknown())
    .refine((value) => fits(value, maxBytes), `must be at most ${maxBytes} bytes of JSON`);
}

/** Tags: a JSON object or array of at most 64 KiB. */
export const tags = z
  .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
  .refine((value) => fits(value, 65_536), 'must be at most 65536 bytes of JSON');

/** Whether the JSON text fits and holds no NUL, which `jsonb` refuses. */
function fits(value: unknown, maxBytes: number): boolean {
  const written = JSON.stringify(value);
  return Buffer.byteLength(written) <= maxBytes && !written.includes('\\u0000');
}

/** `limit` of a list: clamped to `1..max`; an unparsable one is refused. */
export function limit(max: number, preset: number) {
  return z.coerce
    .number()
    .int()
    .default(preset)
    .transform((value) => Math.min(Math.max(value, 1), max));
}

/** `offset` of a list: clamped to >= 0. */
export const offset = z.coerce
  .number()
  .int()
  .default(0)
  .transform((value) => Math.min(Math.max(value, 0), 2_147_483_647));

/** Ids are opaque to clients; a malformed one is simply unknown. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export function isUuid(value: string): boolean {
  return UUID.test(value);
}
