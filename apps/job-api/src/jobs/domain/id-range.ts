/** Ids from the first to the last. */
export interface IdRange {
  readonly first: string;
  readonly last: string;
}

/** How many of the first matches a search can page through. */
export const MAX_SEARCHED = 1000;

/** Ids are made before their jobs are stored: by a call that waits, or is repeated. */
const ID_IS_OLDER_MS = 600_000;
/** By another clock. */
const ID_IS_YOUNGER_MS = 60_000;

const FIRST = '00000000-0000-0000-0000-000000000000';
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The ids that begin with a text; null when none can. */
export function idRange(prefix: string): IdRange | null {
  const text = prefix.toLowerCase();
  const isBeginning = text.length <= FIRST.length && [...text].every(fitsAt);
  if (text === '' || !isBeginning) return null;
  return { first: text + FIRST.slice(text.length), last: text + LAST.slice(text.length) };
}

function fitsAt(character: string, index: number): boolean {
  return FIRST[index] === '-' ? character === '-' : /[0-9a-f]/.test(character);
}

/** The ids of what was created in a time, and some more; within `ids` unless null. */
export function idsCreated(
  from: string | null,
  before: string | null,
  ids: IdRange | null,
): IdRange {
  const first = from === null ? FIRST : idAt(Date.parse(from) - ID_IS_OLDER_MS, FIRST);
  const last = before === null ? LAST : idAt(Date.parse(before) + ID_IS_YOUNGER_MS, LAST);
  return ids === null ? { first, last } : intersection({ first, last }, ids);
}

/** What is in both. */
export function intersection(one: IdRange, other: IdRange): IdRange {
  return {
    first: one.first > other.first ? one.first : other.first,
    last: one.last < other.last ? one.last : other.last,
  };
}

/** The ids that come after one. */
export function idsAfter(id: string): IdRange {
  const next = BigInt(`0x${id.replaceAll('-', '')}`) + 1n;
  const hex = next.toString(16).padStart(32, '0');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ];
  return { first: parts.join('-'), last: LAST };
}

/** UUIDv7 begins with the milliseconds since 1970. */
function idAt(ms: number, rest: string): string {
  const bounded = Math.min(Math.max(ms, 0), 0xffff_ffff_ffff);
  const hex = bounded.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}${rest.slice(13)}`;
}
