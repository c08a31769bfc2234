import {
  MAX_COUNTED_AHEAD,
  type DependencyMode,
  type JobStatus,
  type Why,
  type WhyDetails,
  type WhyReason,
} from '@spooled/contracts';

/** A job where it stands. */
export interface JobFacts {
  readonly id: string;
  readonly queueName: string;
  readonly status: JobStatus;
  readonly retryCount: number;
  readonly maxRetries: number;
  /** When a job that is deferred becomes claimable; null: it does not wait for an instant. */
  readonly dueAt: Date | null;
  /** When it is cancelled unless it has begun. */
  readonly expiresAt: Date | null;
  readonly startedAt: Date | null;
  readonly completedAt: Date | null;
  readonly workerId: string | null;
  readonly leaseExpiresAt: Date | null;
  readonly lastError: string | null;
  readonly deadLetterReason: string | null;
  readonly isQueuePaused: boolean;
  readonly rateLimit: number | null;
  /** The clock of the database, by which jobs are due and leases end. */
  readonly at: Date;
}

/** What a job waits for that waits for other jobs. */
export interface DependencyFacts {
  readonly mode: DependencyMode;
  readonly total: number;
  readonly missing: number;
  readonly ids: readonly string[];
}

/** How the queue of a claimable job stands. */
export interface QueueFacts {
  /** At most one more than `MAX_COUNTED_AHEAD`. */
  readonly ahead: number;
  readonly processing: number;
  readonly claimedLastSecond: number;
  /** Null: not known. */
  readonly workers: { readonly healthy: number; readonly lastSeenAt: Date | null } | null;
}

export interface WhyFacts {
  readonly job: JobFacts;
  readonly dependencies: DependencyFacts | null;
  /** Null for a job that cannot be claimed. */
  readonly queue: QueueFacts | null;
}

/** Whether a job that waits for no other is to be claimed when its turn comes, pauses aside. */
export function isClaimable({ status, dueAt, at }: JobFacts): boolean {
  return (status === 'pending' || status === 'scheduled') && (dueAt === null || dueAt <= at);
}

/** The first obstacle as a sentence, and all that is known. */
export function explain(facts: WhyFacts): Why {
  const { id, status } = facts.job;
  const { reason, message } = reasonOf(facts);
  return { job_id: id, status, reason, message, details: detailsOf(facts) };
}

interface Because {
  readonly reason: WhyReason;
  readonly message: string;
}

function reasonOf(facts: WhyFacts): Because {
  switch (facts.job.status) {
    case 'pending':
    case 'scheduled':
      return waiting(facts);
    case 'processing':
      return running(facts.job);
    default:
      return ended(facts.job);
  }
}

function waiting({ job, dependencies, queue }: WhyFacts): Because {
  const pausedToo = job.isQueuePaused ? `, and ${queueOf(job)} is paused` : '';
  if (dependencies !== null) {
    return {
      reason: 'waiting_for_dependencies',
      message: `It waits for ${missing(dependencies)}${pausedToo}.`,
    };
  }
  if (job.dueAt !== null && job.dueAt > job.at) {
    const when = `${instant(job.dueAt)}, in ${duration(job.dueAt, job.at)}`;
    return job.status === 'scheduled'
      ? { reason: 'scheduled', message: `It is scheduled for ${when}${pausedToo}.` }
      : {
          reason: 'backing_off',
          message: `It failed${because(job)} and backs off until ${when}, then comes ${attempt(job)}${pausedToo}.`,
        };
  }
  if (job.isQueuePaused) {
    return {
      reason: 'queue_paused',
      message: `${capital(queueOf(job))} is paused: resume it, and the job can be claimed.`,
    };
  }
  return inLine(job, queue!);
}

function inLine(job: JobFacts, queue: QueueFacts): Because {
  const { ahead, processing, claimedLastSecond, workers } = queue;
  const unknown = workers === null ? '; whether workers are there is not known now' : '';
  const line = `${jobsAhead(ahead)} ahead of this one`;
  const work = `${count(processing, 'job')} ${processing === 1 ? 'is' : 'are'} being worked on`;
  if (workers?.healthy === 0 && processing === 0 && claimedLastSecond === 0) {
    const seen =
      workers.lastSeenAt === null
        ? `No worker is registered for ${queueOf(job)}`
        : `No worker has been seen on ${queueOf(job)} for ${duration(job.at, workers.lastSeenAt)}`;
    return { reason: 'no_workers', message: `${seen}: start one; ${line}.` };
  }
  if (job.rateLimit !== null && claimedLastSecond >= job.rateLimit) {
    const pace = `${count(job.rateLimit, 'job')} per second`;
    return {
      reason: 'rate_limited',
      message: `${capital(queueOf(job))} gives out at most ${pace}, and has just done so; ${line}${unknown}.`,
    };
  }
  if (ahead > 0) {
    return {
      reason: 'jobs_ahead',
      message: `${capital(line)} in ${queueOf(job)}, and ${work}${unknown}.`,
    };
  }
  if (processing > 0) {
    return {
      reason: 'workers_busy',
      message: `It is the next of ${queueOf(job)}, as soon as a worker is free: ${work}${unknown}.`,
    };
  }
  return {
    reason: 'ready',
    message: `It is the next of ${queueOf(job)} and goes to the first worker that asks${unknown}.`,
  };
}

function running(job: JobFacts): Because {
  const { workerId, startedAt, leaseExpiresAt, at } = job;
  if (leaseExpiresAt! <= at) {
    return {
      reason: 'lease_expired',
      message: `Worker ${quoted(workerId!)} let its lease run out at ${instant(leaseExpiresAt!)}; the job is taken back in a moment.`,
    };
  }
  return {
    reason: 'running',
    message: `It is running since ${instant(startedAt!)} on worker ${quoted(workerId!)}, ${attempt(job)}, leased until ${instant(leaseExpiresAt!)}.`,
  };
}

function ended(job: JobFacts): Because {
  const when = instant(job.completedAt!);
  switch (job.status) {
    case 'completed':
      return {
        reason: 'completed',
        message: `It completed at ${when}${job.workerId === null ? '' : ` on worker ${quoted(job.workerId)}`}.`,
      };
    case 'cancelled':
      return { reason: 'cancelled', message: `It was cancelled at ${when}${because(job)}.` };
    case 'failed':
      return {
        reason: 'failed',
        message: `It failed at ${when}${because(job)}: mend the cause, then retry it.`,
      };
    default: {
      const why = job.deadLetterReason === null ? '' : ` (${job.deadLetterReason})`;
      return {
        reason: 'dead_lettered',
        message: `It was given up at ${when} after ${count(job.retryCount + 1, 'attempt')}${why}${because(job)}: mend the cause, then retry it from the dead letters.`,
      };
    }
  }
}

function detailsOf({ job, dependencies, queue }: WhyFacts): WhyDetails {
  const waits = job.status === 'pending' || job.status === 'scheduled';
  return {
    queue_name: job.queueName,
    ...(job.status === 'cancelled'
      ? {}
      : { attempt: job.retryCount + 1, max_attempts: job.maxRetries + 1 }),
    ...(waits ? { queue_paused: job.isQueuePaused } : {}),
    ...(waits ? { ...at('eligible_at', job.dueAt), ...at('expires_at', job.expiresAt) } : {}),
    ...(dependencies === null
      ? {}
      : {
          dependency_mode: dependencies.mode,
          dependencies_total: dependencies.total,
          dependencies_missing: dependencies.missing,
          dependency_ids: [...dependencies.ids],
        }),
    ...(queue === null ? {} : queueDetails(job, queue)),
    ...(job.workerId === null ? {} : { worker_id: job.workerId }),
    ...at('started_at', job.startedAt),
    ...at('lease_expires_at', job.leaseExpiresAt),
    ...at('completed_at', job.completedAt),
    ...(job.lastError === null ? {} : { last_error: job.lastError }),
    ...(job.deadLetterReason === null ? {} : { dead_letter_reason: job.deadLetterReason }),
  };
}

function queueDetails({ rateLimit }: JobFacts, queue: QueueFacts): Partial<WhyDetails> {
  const { ahead, processing, claimedLastSecond, workers } = queue;
  return {
    ...(rateLimit === null
      ? {}
      : { rate_limit: rateLimit, claimed_last_second: claimedLastSecond }),
    jobs_ahead: Math.min(ahead, MAX_COUNTED_AHEAD),
    jobs_ahead_capped: ahead > MAX_COUNTED_AHEAD,
    jobs_processing: processing,
    workers_known: workers !== null,
    ...(workers === null
      ? {}
      : { healthy_workers: workers.healthy, ...at('worker_last_seen_at', workers.lastSeenAt) }),
  };
}

function at<K extends string>(name: K, date: Date | null): { [name in K]?: string } {
  return (date === null ? {} : { [name]: date.toISOString() }) as { [name in K]?: string };
}

function missing({ mode, total, missing: left, ids }: DependencyFacts): string {
  const amount =
    mode === 'all'
      ? `${left} of ${count(total, 'job')} to complete`
      : `any one of ${count(left, 'job')} to complete`;
  if (ids.length === 0) return amount;
  const unnamed = left - ids.length;
  return `${amount}: ${ids.join(', ')}${unnamed > 0 ? ` and ${number(unnamed)} more` : ''}`;
}

function jobsAhead(ahead: number): string {
  if (ahead === 0) return 'no job is';
  if (ahead > MAX_COUNTED_AHEAD) return `more than ${number(MAX_COUNTED_AHEAD)} jobs are`;
  return `${count(ahead, 'job')} ${ahead === 1 ? 'is' : 'are'}`;
}

function attempt({ retryCount, maxRetries }: JobFacts): string {
  return `attempt ${retryCount + 1} of ${maxRetries + 1}`;
}

function because({ lastError }: JobFacts): string {
  if (lastError === null) return '';
  const line = lastError.replaceAll(/\s+/g, ' ').trim();
  return ` with ${quoted(line.length > MAX_QUOTED ? `${line.slice(0, MAX_QUOTED - 1)}…` : line)}`;
}
const MAX_QUOTED = 200;

function queueOf({ queueName }: JobFacts): string {
  return `queue ${quoted(queueName)}`;
}

function quoted(text: string): string {
  return `“${text}”`;
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

function count(amount: number, noun: string): string {
  return `${number(amount)} ${noun}${amount === 1 ? '' : 's'}`;
}

function number(amount: number): string {
  return amount.toLocaleString('en-US');
}

/** Whole seconds are enough for people. */
function instant(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** From the earlier to the later, in the largest unit that says enough. */
function duration(later: Date, earlier: Date): string {
  const secs = Math.max(0, Math.round((later.getTime() - earlier.getTime()) / 1000));
  if (secs < 120) return `${secs} s`;
  if (secs < 7200) return `${Math.round(secs / 60)} min`;
  return secs < 172_800 ? `${Math.round(secs / 3600)} h` : `${Math.round(secs / 86_400)} days`;
}
