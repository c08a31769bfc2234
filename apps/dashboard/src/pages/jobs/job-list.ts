import type { Answer, SpooledEvent } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { PAGE_SIZE, toQuery, writeFilters, type Filters } from './filters.js';

/** A line of the list; null = no event has told it. */
export interface JobRow {
  readonly id: string;
  readonly queueName: string;
  readonly status: string;
  readonly priority: number | null;
  readonly retryCount: number;
  readonly maxRetries: number | null;
  readonly jobType: string;
  readonly lastError: string | null;
  readonly createdAt: string | null;
}

export interface JobList {
  readonly rows: readonly JobRow[];
  readonly hasMore: boolean;
  /** Jobs came that only the server can tell whether they match. */
  readonly unjudged: number;
}

export function jobListResource(filters: Filters): Resource<JobList> {
  return {
    key: `jobs?${writeFilters(filters).toString()}`,
    load: async (client, signal) => listOf(await client.jobs.list(toQuery(filters), { signal })),
    apply: (list, events) => applied(list, events, filters),
  };
}

function listOf(jobs: Answer<'jobs', 'list'>): JobList {
  return { rows: jobs.slice(0, PAGE_SIZE), hasMore: jobs.length > PAGE_SIZE, unjudged: 0 };
}

function applied(list: JobList, events: readonly SpooledEvent[], filters: Filters): JobList {
  const rows = new Map(list.rows.map((row) => [row.id, row]));
  const came: JobRow[] = [];
  let unjudged = 0;
  let isChanged = false;
  for (const event of events) {
    if (event.type === 'job.created') {
      if (rows.has(event.data.jobId) || !mayMatch(event.data, filters)) continue;
      if (canJudge(filters)) came.push(rowOf(event.data));
      else unjudged += 1;
      rows.set(event.data.jobId, rowOf(event.data));
      continue;
    }
    if (event.type !== 'job.status' && event.type !== 'job.failed') continue;
    const row = rows.get(event.data.jobId);
    if (row === undefined) continue;
    isChanged = true;
    rows.set(row.id, { ...row, ...changeOf(event) });
  }
  if (!isChanged && came.length === 0 && unjudged === 0) return list;
  const now = (row: JobRow) => rows.get(row.id) ?? row;
  const all = [...came.reverse().map(now), ...list.rows.map(now)];
  return {
    rows: all.slice(0, PAGE_SIZE),
    hasMore: list.hasMore || all.length > PAGE_SIZE,
    unjudged: list.unjudged + unjudged,
  };
}

/** New jobs are put on the first page when what an event says is all that the filters ask. */
function canJudge({ q, tag, page }: Filters): boolean {
  return q === '' && tag === '' && page === 1;
}

function mayMatch(
  { queueName, status }: { readonly queueName: string; readonly status: string },
  { queue, statuses, page }: Filters,
): boolean {
  const isOfStatus = statuses.length === 0 || statuses.some((each) => each === status);
  return page === 1 && (queue === '' || queue === queueName) && isOfStatus;
}

type Created = Extract<SpooledEvent, { type: 'job.created' }>['data'];

function rowOf({ jobId, queueName, status, priority, timestamp }: Created): JobRow {
  return {
    id: jobId,
    queueName,
    status,
    priority,
    retryCount: 0,
    maxRetries: null,
    jobType: '',
    lastError: null,
    createdAt: timestamp,
  };
}

/** A job whose status is not looked for any more stays in its line until the list is read again: lines must not jump. */
function changeOf(
  event: Extract<SpooledEvent, { type: 'job.status' | 'job.failed' }>,
): Partial<JobRow> {
  if (event.type === 'job.status') return { status: event.data.newStatus };
  return { retryCount: event.data.retryCount, lastError: event.data.error };
}
