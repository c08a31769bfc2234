import type { JobStatus, StoredEvent } from '@spooled/contracts';
import type { Tenant } from './setup.js';

/** The contract's table of transitions. Everything else is illegal. */
const transitions: readonly (readonly [from: JobStatus, to: JobStatus])[] = [
  ['scheduled', 'pending'], //     due
  ['pending', 'processing'], //    claim
  ['scheduled', 'processing'], //  claim, when due
  ['processing', 'completed'], //  complete
  ['processing', 'pending'], //    fail, lease expired, worker lost or deregistered
  ['processing', 'deadletter'], // the same, budget spent
  ['pending', 'cancelled'], //     cancel, expired, parent did not complete
  ['scheduled', 'cancelled'],
  ['failed', 'pending'], //        retry
  ['deadletter', 'pending'],
];
const legal = new Set(transitions.map(([from, to]) => `${from}→${to}`));

/** A job as the tables hold it. A job that is in two places has two. */
export interface StoredJob {
  readonly id: string;
  /** The table of its state; null when no table has it. */
  readonly place: string | null;
  readonly hasBody: boolean;
  readonly queue: string;
  readonly status: JobStatus;
  readonly rev: number;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly priority: number;
  /** Who holds or last held it. */
  readonly worker: string | null;
  readonly lease: string | null;
  readonly key: string | null;
  readonly holdsKey: boolean;
  readonly hasAudit: boolean;
  /** created, started, completed: in this order, as far as they are set. */
  readonly isInOrder: boolean;
}

const STATE = (
  table: string,
  { status = 'status', completedAt = 'null', worker = 'last_worker_id', lease = 'null' },
) => `select '${table}' as place, id, queue_name, ${status} as status, rev, retry_count, priority, started_at,
    ${completedAt}::timestamptz as completed_at, ${worker} as worker_id, ${lease}::uuid as lease_id
  from jobs.${table} where organization_id = $1`;

const STORED_JOBS = `
with state as (
  ${STATE('job_ready', { status: "'pending'" })}
  union all ${STATE('job_deferred', {})}
  union all ${STATE('job_running', { status: "'processing'", worker: 'worker_id', lease: 'lease_id' })}
  union all ${STATE('job_finished', { completedAt: 'completed_at', worker: 'worker_id' })}
), body as (select * from jobs.job where organization_id = $1)
select id, s.place, b.id is not null as "hasBody", s.queue_name as queue, s.status, s.rev, s.retry_count as "retryCount",
  b.max_retries as "maxRetries", s.priority, s.worker_id as worker, s.lease_id as lease, b.idempotency_key as key,
  k.job_id is not null as "holdsKey", d.job_id is not null as "hasAudit",
  coalesce(b.created_at <= s.started_at, true) and coalesce(s.started_at <= s.completed_at, true)
    and coalesce(b.created_at <= s.completed_at, true) as "isInOrder"
from state s full join body b using (id)
left join jobs.idempotency_key k on k.organization_id = $1 and k.key = b.idempotency_key and k.job_id = id
left join jobs.dead_letter d on d.organization_id = $1 and d.job_id = id
order by id`;

/** Every job of the organization, oldest first, read from the tables themselves. */
export async function storedJobs({ world, organizationId }: Tenant): Promise<StoredJob[]> {
  return (await world.owner.query<StoredJob>(STORED_JOBS, [organizationId])).rows;
}

/**
 * Whatever the contract promises and a look at rows, counters and event log refutes, in words. For quiet moments: no
 * call and no loop may be at work.
 */
export async function brokenPromises(
  tenant: Tenant,
  jobs?: readonly StoredJob[],
): Promise<string[]> {
  const rows = jobs ?? (await storedJobs(tenant));
  const told = replay(await tenant.events());
  const stories = new Map(told.stories);
  const problems = [...told.problems];
  const seen = new Set<string>();
  for (const job of rows) {
    const broken = (what: string) => problems.push(`${job.id} (${job.status} ${job.rev}): ${what}`);
    if (seen.has(job.id)) broken('is in two tables');
    seen.add(job.id);
    if (job.place === null) broken('is in no table');
    if (!job.hasBody) broken('has no body');
    if (job.retryCount > job.maxRetries) broken(`${job.retryCount} retries of ${job.maxRetries}`);
    if (job.key !== null && !job.holdsKey) broken(`does not hold its key ${job.key}`);
    if (job.hasAudit !== (job.status === 'deadletter')) broken(`audit row: ${job.hasAudit}`);
    if (!job.isInOrder) broken('created, started, completed are out of order');
    const story = stories.get(job.id);
    stories.delete(job.id);
    if (story?.rev !== job.rev || story.status !== job.status) {
      broken(`the log says ${story === undefined ? 'nothing' : `${story.status} ${story.rev}`}`);
    }
  }
  for (const id of stories.keys()) problems.push(`${id}: is told of and does not exist`);
  return [...problems, ...(await miscounts(tenant, rows))];
}

interface Story {
  status: string;
  rev: number;
  /** The fact that must be told next, with the same number. */
  owed: 'JobCompleted' | 'JobFailed' | undefined;
}

/** Tells the log from its beginning: every transition is legal, and numbered 1, 2, 3 … by job. */
function replay(events: readonly StoredEvent[]) {
  const stories = new Map<string, Story>();
  const problems: string[] = [];
  for (const event of events) {
    if (!('rev' in event.data)) continue;
    const { job_id: id, rev } = event.data;
    const broken = (what: string) => problems.push(`${id} ${event.type} ${rev}: ${what}`);
    const story = stories.get(id);
    if (event.type === 'JobCreated') {
      const { status } = event.data;
      if (story !== undefined || rev !== 1) broken('is not the first event');
      if (status !== 'pending' && status !== 'scheduled') broken(`begins ${status}`);
      stories.set(id, { status, rev, owed: undefined });
    } else if (story === undefined) broken('comes before the job was created');
    else if (event.type === 'JobStatusChange') {
      const { old_status, new_status, reason } = event.data;
      if (story.owed !== undefined) broken(`${story.owed} ${story.rev} was not told`);
      if (rev !== story.rev + 1) broken(`follows ${story.rev}`);
      if (old_status !== story.status) broken(`was ${story.status}, not ${old_status}`);
      if (!legal.has(`${old_status}→${new_status}`))
        broken(`${old_status}→${new_status} is illegal`);
      const isReported = old_status === 'processing' && reason === undefined;
      const fact = new_status === 'completed' ? 'JobCompleted' : 'JobFailed';
      Object.assign(story, { status: new_status, rev, owed: isReported ? fact : undefined });
    } else {
      if (event.type !== story.owed) broken(`was told instead of ${story.owed ?? 'nothing'}`);
      if (rev !== story.rev) broken(`is about ${story.rev}`);
      story.owed = undefined;
    }
  }
  for (const [id, { owed, rev }] of stories) {
    if (owed !== undefined) problems.push(`${id}: ${owed} ${rev} was not told`);
  }
  return { stories, problems };
}

/** Counters against a full count, of all queues together and of each. */
async function miscounts(tenant: Tenant, jobs: readonly StoredJob[]): Promise<string[]> {
  const problems: string[] = [];
  for (const queue of [undefined, ...new Set(jobs.map((job) => job.queue))]) {
    const there = jobs.filter((job) => queue === undefined || job.queue === queue);
    const stats = await tenant.stats(queue);
    for (const [name, count] of Object.entries(stats)) {
      const counted =
        name === 'total' ? there.length : there.filter(({ status }) => status === name).length;
      if (count !== counted)
        problems.push(`${queue ?? 'all'}: ${name} is ${counted}, not ${count}`);
    }
  }
  return problems;
}
