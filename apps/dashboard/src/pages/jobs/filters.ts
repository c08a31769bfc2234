import type { Query } from '@spooled/sdk';

import { pageOf } from '../../ui/url-filter.js';

export const statuses = [
  'pending',
  'scheduled',
  'processing',
  'completed',
  'deadletter',
  'cancelled',
] as const;
export type Status = (typeof statuses)[number];

/** What is looked for; all of it is in the URL, so that a link to it can be shared. */
export interface Filters {
  readonly q: string;
  readonly queue: string;
  readonly tag: string;
  /** None: any. */
  readonly statuses: readonly Status[];
  /** From 1. */
  readonly page: number;
}

export const PAGE_SIZE = 50;

export function readFilters(search: URLSearchParams): Filters {
  const named = (search.get('status') ?? '').split(',');
  return {
    q: search.get('q') ?? '',
    queue: search.get('queue') ?? '',
    tag: search.get('tag') ?? '',
    statuses: statuses.filter((status) => named.includes(status)),
    page: pageOf(search),
  };
}

export function writeFilters({ q, queue, tag, statuses: wanted, page }: Filters): URLSearchParams {
  const given = {
    q,
    queue,
    tag,
    status: wanted.join(','),
    page: page === 1 ? '' : String(page),
  };
  return new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ''));
}

/** One more than is shown says whether there is a next page. */
export function toQuery(filters: Filters): Query<'jobs', 'list'> {
  return { ...toBulkFilter(filters), limit: PAGE_SIZE + 1, offset: (filters.page - 1) * PAGE_SIZE };
}

/** The same for what is done to all that match. */
export function toBulkFilter({ q, queue, tag, statuses: wanted }: Filters) {
  return {
    ...(q !== '' && { q }),
    ...(queue !== '' && { queueName: queue }),
    ...(tag !== '' && { tag }),
    ...(wanted.length > 0 && { status: [...wanted] }),
  };
}

export function hasFilter({ q, queue, tag, statuses: wanted }: Filters): boolean {
  return q !== '' || queue !== '' || tag !== '' || wanted.length > 0;
}
