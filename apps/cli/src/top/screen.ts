/** One frame of `top`, as text. */
import { toneOf } from '../output/style.js';
import { table, type Column, type Page } from '../output/table.js';
import { relativeTime } from '../output/time.js';
import type { JobLine, QueueLine, TopModel, WorkerLine } from './model.js';

export interface Frame {
  readonly model: TopModel;
  readonly server: string;
  /** How the stream is doing. */
  readonly state: string;
  readonly now: number;
}

/** Titles, blank lines and the head. */
const FIXED_ROWS = 8;

export function screen(frame: Frame, page: Page, rows: number): string {
  const { model, server, state, now } = frame;
  const { paint } = page;
  const room = Math.max(3, rows - FIXED_ROWS);
  const busyFirst = (a: QueueLine, b: QueueLine): number =>
    b.pending + b.processing - (a.pending + a.processing) || (a.name < b.name ? -1 : 1);
  const queues = [...model.queues.values()].sort(busyFirst);
  const workers = [...model.workers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const jobs = [...model.jobs.values()].reverse();
  const queueRows = Math.min(queues.length, Math.ceil(room / 2));
  const workerRows = Math.min(workers.length, Math.ceil((room - queueRows) / 2));
  const jobRows = Math.max(1, room - queueRows - workerRows);
  return [
    `${paint('title', 'spooled top')}  ${server}  ${paint(state === 'live' ? 'good' : 'warning', state)}  ${paint('dim', 'q ends it')}`,
    '',
    table(queues.slice(0, queueRows), queueColumns(model, now), page),
    '',
    table(workers.slice(0, workerRows), workerColumns, page),
    '',
    table(jobs.slice(0, jobRows), jobColumns(now), page),
  ].join('\n');
}

function queueColumns(model: TopModel, now: number): Column<QueueLine>[] {
  const rate = (kind: 'created' | 'completed' | 'failed') => ({
    title: `${kind.toUpperCase()}/s`,
    of: ({ name }: QueueLine) => model.rate(name, kind, now).toFixed(1),
    align: 'right' as const,
  });
  return [
    {
      title: 'QUEUE',
      of: ({ name, paused }) => (paused ? `${name} (paused)` : name),
      tone: ({ paused }) => (paused ? 'warning' : undefined),
    },
    { title: 'PENDING', of: ({ pending }) => pending, align: 'right' },
    { title: 'PROCESSING', of: ({ processing }) => processing, align: 'right' },
    {
      title: 'FAILED',
      of: ({ failed }) => failed,
      align: 'right',
      tone: ({ failed }) => ((failed ?? 0) > 0 ? 'bad' : undefined),
    },
    rate('created'),
    rate('completed'),
    rate('failed'),
  ];
}

const workerColumns: readonly Column<WorkerLine>[] = [
  { title: 'WORKER', of: ({ id }) => id },
  { title: 'QUEUE', of: ({ queue }) => queue },
  { title: 'STATUS', of: ({ status }) => status, tone: ({ status }) => toneOf(status) },
  { title: 'JOBS', of: ({ currentJobs }) => currentJobs, align: 'right' },
];

function jobColumns(now: number): Column<JobLine>[] {
  return [
    { title: 'JOB', of: ({ id }) => id },
    { title: 'QUEUE', of: ({ queue }) => queue },
    { title: 'STATUS', of: ({ status }) => status, tone: ({ status }) => toneOf(status) },
    { title: 'SINCE', of: ({ at }) => relativeTime(new Date(at).toISOString(), now) },
  ];
}
