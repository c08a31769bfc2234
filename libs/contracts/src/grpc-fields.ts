import { z } from 'zod';
import { leaseDurationSecs, workerId } from './jobs/job.schema.js';
import { queueName } from './text.js';

// Fields of decoded gRPC requests. An unset one arrives as "", 0, an empty map or list, or null; each schema turns that
// into what the services mean by "not given". The rules themselves are those of REST.

/** What a lease lasts when its caller does not say. */
const DEFAULT_LEASE_SECS = 300;
/** As deep as a JSON body may be. */
const MAX_STRUCT_DEPTH = 64;

/** Clients recognise the two refusals by the words "Queue name" and "alphanumeric". */
export const queueNameField = z
  .string()
  .min(1, { error: 'Queue name is required', abort: true })
  .refine(
    (value) => queueName.safeParse(value).success,
    'Queue name must be 1-100 alphanumeric characters or . _ - and not start with . or -',
  );

/** Clients recognise the refusal by the words "Worker ID". */
export const workerIdField = z
  .string()
  .min(1, { error: 'Worker ID is required', abort: true })
  .refine(
    (value) => workerId.safeParse(value).success,
    'Worker ID must be at most 255 characters without NUL',
  );

/** Seconds of a lease: 0 or less = 300, otherwise clamped to 5-3600. */
export const leaseSecsField = z.int().transform((secs) => {
  const { minValue, maxValue } = leaseDurationSecs;
  return secs <= 0 ? DEFAULT_LEASE_SECS : Math.min(Math.max(secs, minValue!), maxValue!);
});

/** A string by the rule of `schema`; "" = null, not given. */
export function optionalText<S extends z.ZodType>(schema: S) {
  return z
    .string()
    .transform((value): unknown => (value === '' ? null : value))
    .pipe(schema);
}

/** A whole number by the rule of `schema`; 0 or less = null, not given. */
export function positiveOrNull<S extends z.ZodType>(schema: S) {
  return z
    .int()
    .transform((value): unknown => (value <= 0 ? null : value))
    .pipe(schema);
}

/** A map of strings by the rule of `schema`; an empty one = null, not given. */
export function optionalMap<S extends z.ZodType>(schema: S) {
  return z
    .record(z.string(), z.string())
    .transform((value): unknown => (Object.keys(value).length === 0 ? null : value))
    .pipe(schema);
}

/** A `Struct` that JSON can hold as it is; null = unset. Taken as it comes, so that no key is lost. */
export const structField = z.custom<Readonly<Record<string, unknown>> | null>(
  (value) => typeof value === 'object' && !Array.isArray(value) && isJson(value, MAX_STRUCT_DEPTH),
  `must have finite numbers only and at most ${MAX_STRUCT_DEPTH} levels`,
);

function isJson(value: unknown, levels: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((entry) => isJson(entry, levels - 1));
}

/** A `Struct` of a response; null or left out = unset. */
export const struct = z.record(z.string(), z.unknown()).nullish();
/** A `Timestamp` of a response; null or left out = unset. */
export const instantField = z.date().nullish();
