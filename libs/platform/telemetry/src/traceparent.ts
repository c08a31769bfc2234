const SHAPE = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * A W3C `traceparent` as we keep it: version 00, and of the flags only whether the trace is sampled. Null for what is none,
 * as the standard wants it: whoever sends nonsense starts no trace, and is not refused for it.
 */
export function readTraceparent(given: unknown): string | null {
  if (typeof given !== 'string' || given.length > 256) return null;
  const [, version, traceId, spanId, flags, rest] = SHAPE.exec(given) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  const isSampled = (Number.parseInt(flags, 16) & 1) === 1;
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}
