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

/** An instant: RFC 3339 with any offset, given back as RFC 3339 UTC, in the years 1 to 9999. */
export const timestamp = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value).toISOString())
  .refine((value) => /^(?!0000)\d{4}-/.test(value), 'must be in the years 1 to 9999');

/** An instant we wrote ourselves. */
export const instant = z.iso.datetime();

/** Any JSON value. */
export const json = z.unknown();

/** A JSON object whose text is at most `maxBytes` long. */
export function jsonObject(maxBytes: number) {
  return storable(z.record(z.string(), z.unknown()), maxBytes);
}

/** Tags: a JSON object or array of at most 64 KiB. */
export const tags = storable(
  z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]),
  65_536,
);

/** For columns of the type `jsonb`, which does not take every JSON text. */
function storable<S extends z.ZodType>(schema: S, maxBytes: number): S {
  return schema
    .refine(
      (value) => Buffer.byteLength(JSON.stringify(value)) <= maxBytes,
      `must be at most ${maxBytes} bytes of JSON`,
    )
    .refine(isStorable, 'must not contain NUL, half surrogate pairs or endless numbers');
}

interface RawNumber {
  readonly rawJSON: string;
}
const { isRawJSON } = JSON as unknown as { isRawJSON: (value: unknown) => value is RawNumber };

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes(NUL) && value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  if (isRawJSON(value)) {
    const [digits, exponent = '0'] = value.rawJSON.split(/e/i) as [string, string?];
    return digits.length <= 1000 && Math.abs(Number(exponent)) <= 1000;
  }
  return Object.entries(value).every(([key, entry]) => isStorable(key) && isStorable(entry));
}

/** A whole number in a query, clamped to `min..max`; an unparsable one is refused. */
function clamped(min: number, max: number, preset: number) {
  return z
    .string()
    .regex(/^[+-]?\d{1,400}$/, 'must be a whole number')
    .default(String(preset))
    .transform((value) => Math.min(Math.max(Number(value), min), max));
}

/** `limit` of a list: clamped to `1..max`. */
export function limit(max: number, preset: number) {
  return clamped(1, max, preset);
}

/** `offset` of a list: clamped to >= 0. */
export const offset = clamped(0, 2_147_483_647, 0);

/** An exact filter of a list. What no stored text can equal matches nothing, and is ignored. */
export const filterText = text(0, 255).optional().catch(undefined);

/** Ids are opaque to clients; a malformed one is simply unknown. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export function isUuid(value: string): boolean {
  return UUID.test(value);
}
