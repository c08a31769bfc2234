import { quotaRefusal, type AppError, type PlanLimits } from '@spooled/contracts';

export interface Counts {
  readonly jobsToday: number;
  /** Pending, scheduled and processing. */
  readonly activeJobs: number;
  /** Queues that are configured, have jobs, or are fed by a schedule. */
  readonly queueNames: ReadonlySet<string>;
  readonly workflows: number;
}

/** What someone wants to add to the counts. */
export interface Addition {
  /** Jobs that are inserted. */
  readonly newJobs?: number;
  /** Jobs that were ended and become active again. */
  readonly revivedJobs?: number;
  readonly queueNames?: readonly string[];
  readonly workflows?: number;
}

/** The counts of one organization while a transaction decides what may be added to them. */
export class Tally {
  #jobsToday: number;
  #activeJobs: number;
  #workflows: number;
  readonly #queueNames: Set<string>;

  constructor(counts: Counts) {
    this.#jobsToday = counts.jobsToday;
    this.#activeJobs = counts.activeJobs;
    this.#workflows = counts.workflows;
    this.#queueNames = new Set(counts.queueNames);
  }

  get counts(): Counts {
    return {
      jobsToday: this.#jobsToday,
      activeJobs: this.#activeJobs,
      queueNames: this.#queueNames,
      workflows: this.#workflows,
    };
  }

  /** Counts the addition, or answers why it may not be: all of it or nothing. */
  add(plan: PlanLimits, addition: Addition): AppError | null {
    const { newJobs = 0, revivedJobs = 0, queueNames = [], workflows = 0 } = addition;
    const newQueues = new Set(queueNames.filter((name) => !this.#queueNames.has(name)));
    const refusal =
      refuse(plan, 'workflows', this.#workflows, workflows) ??
      refuse(plan, 'jobs_per_day', this.#jobsToday, newJobs) ??
      refuse(plan, 'active_jobs', this.#activeJobs, newJobs + revivedJobs) ??
      refuse(plan, 'queues', this.#queueNames.size, newQueues.size);
    if (refusal !== null) return refusal;
    this.#jobsToday += newJobs;
    this.#activeJobs += newJobs + revivedJobs;
    this.#workflows += workflows;
    for (const name of newQueues) this.#queueNames.add(name);
    return null;
  }
}

/** Whether anything that enqueueing adds to is limited at all. */
export function limitsJobs(plan: PlanLimits): boolean {
  const { max_jobs_per_day, max_active_jobs, max_queues } = plan;
  return max_jobs_per_day !== null || max_active_jobs !== null || max_queues !== null;
}

/** Nothing is asked when nothing is added: an organization above its limit may still do the rest. */
function refuse(
  plan: PlanLimits,
  resource: Parameters<typeof quotaRefusal>[1],
  current: number,
  adding: number,
): AppError | null {
  return adding === 0 ? null : quotaRefusal(plan, resource, current, adding);
}
