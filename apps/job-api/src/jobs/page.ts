import type { RequestOf } from '@spooled/http';
import type { RouteSpec } from '@spooled/contracts';

/** A part of a list, and whether something follows it. */
export interface Page<T> {
  readonly items: T[];
  readonly hasMore: boolean;
}

/** Of what was read from a place on, one more than the limit if there is that much. */
export function pageOf<T>(found: readonly T[], limit: number): Page<T> {
  return { items: found.slice(0, limit), hasMore: found.length > limit };
}

/** The body of an answer that is a page; whether there is more is a header. */
export function answerPage<T>(
  { reply }: Pick<RequestOf<RouteSpec>, 'reply'>,
  { items, hasMore }: Page<T>,
): T[] {
  reply.header('x-has-more', String(hasMore));
  return items;
}
