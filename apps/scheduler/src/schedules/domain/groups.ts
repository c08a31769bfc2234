/**
 * Splits items, in order, into groups of at most `maxItems` and `maxBytes`; an item that is larger than that by itself is
 * a group of its own.
 */
export function grouped<T>(
  items: readonly T[],
  bytesOf: (item: T) => number,
  { maxItems, maxBytes }: { readonly maxItems: number; readonly maxBytes: number },
): T[][] {
  const groups: T[][] = [];
  let bytes = Infinity;
  for (const item of items) {
    const last = groups.at(-1);
    bytes += bytesOf(item);
    if (last !== undefined && last.length < maxItems && bytes <= maxBytes) last.push(item);
    else {
      groups.push([item]);
      bytes = bytesOf(item);
    }
  }
  return groups;
}
