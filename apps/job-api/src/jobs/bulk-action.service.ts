import { Injectable } from '@nestjs/common';
import { keyActor, recordAction } from '@spooled/audit';
import {
  AppError,
  type AuditAction,
  type BulkActionRequest,
  type BulkActionResponse,
  type BulkFilter,
  type BulkPriorityRequest,
  type JobStatus,
  type ListQuery,
  type Principal,
} from '@spooled/contracts';
import { DeadLetterRepository } from '../dead-letters/store/dead-letter.repository.js';
import { idsAfter, type IdRange } from './domain/id-range.js';
import { scopeOf } from './job.service.js';
import { JobLists } from './store/job-lists.js';
import { JobRepository, type Witness } from './store/job.repository.js';

/** Small enough that nobody waits long behind one. */
const BATCH = 100;
/** Within the deadline of whoever asked, who asks again for the rest. */
const MAX_MS = 5000;

/** What is done to each batch; answers to how many of them it could be done. */
interface Action {
  readonly name: AuditAction;
  readonly statuses: readonly JobStatus[];
  readonly apply: (ids: readonly string[], witness: Witness) => Promise<number>;
}

/** What operators do to all jobs that match a filter: the same as to one, by the same rules. */
@Injectable()
export class BulkActionService {
  constructor(
    private readonly lists: JobLists,
    private readonly jobs: JobRepository,
    private readonly letters: DeadLetterRepository,
  ) {}

  async cancel(caller: Principal, request: BulkActionRequest): Promise<BulkActionResponse> {
    const scope = scopeOf(caller);
    return this.#run(caller, request, {
      name: 'jobs.cancelled',
      statuses: ['pending', 'scheduled'],
      apply: (ids, witness) => this.jobs.cancel(scope, ids, witness),
    });
  }

  /** @throws AppError `QUOTA_EXCEEDED`, `FEATURE_DISABLED` when the plan has no room for any */
  async retry(caller: Principal, request: BulkActionRequest): Promise<BulkActionResponse> {
    const { organizationId, plan } = caller;
    return this.#run(caller, request, {
      name: 'jobs.retried',
      statuses: ['failed', 'deadletter'],
      apply: async (jobIds, witness) => {
        const which = { jobIds, queueName: null };
        return (await this.letters.retry(organizationId, plan, which, witness)).length;
      },
    });
  }

  async setPriority(caller: Principal, request: BulkPriorityRequest): Promise<BulkActionResponse> {
    const scope = scopeOf(caller);
    return this.#run(caller, request, {
      name: 'jobs.reprioritized',
      statuses: ['pending', 'scheduled'],
      apply: async (ids, witness) =>
        (await this.jobs.setPriority(scope, ids, request.priority, witness)).length,
    });
  }

  async #run(
    caller: Principal,
    { filter, limit, dry_run: isDry }: BulkActionRequest,
    { name, statuses, apply }: Action,
  ): Promise<BulkActionResponse> {
    const query = listQuery(filter, statuses);
    const find = async (most: number, ids: IdRange | null) => {
      if (query.status.length === 0) return [];
      return this.lists.read(scopeOf(caller), { ...query, limit: most }, ids);
    };
    if (isDry) {
      const found = await find(limit + 1, null);
      const matched = Math.min(found.length, limit);
      return { matched, changed: 0, skipped: 0, has_more: found.length > limit };
    }
    const witness: Witness = (transaction, count) => {
      const { organizationId } = caller;
      const details = { filter, count };
      recordAction(transaction, { organizationId, actor: keyActor(caller), action: name, details });
    };
    const endsAt = Date.now() + MAX_MS;
    let matched = 0;
    let changed = 0;
    let rest: IdRange | null = null;
    const answer = (hasMore: boolean) => ({
      matched,
      changed,
      skipped: matched - changed,
      has_more: hasMore,
    });
    while (matched < limit) {
      const found = await find(Math.min(BATCH, limit - matched), rest);
      const last = found.at(-1);
      if (last === undefined) return answer(false);
      try {
        changed += await apply(
          found.map(({ id }) => id),
          witness,
        );
      } catch (error) {
        // The plan has no more room: what was done is done.
        if (changed > 0 && isRefusal(error)) return answer(true);
        throw error;
      }
      matched += found.length;
      rest = idsAfter(last.id);
      if (Date.now() > endsAt) break;
    }
    return answer((await find(1, rest)).length > 0);
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.code === 'QUOTA_EXCEEDED';
}

/** Oldest first, so that a page begins where the one before ended. */
function listQuery(filter: BulkFilter, statuses: readonly JobStatus[]): ListQuery {
  const { status = statuses, ...conditions } = filter;
  const wanted = typeof status === 'string' ? [status] : status;
  return {
    ...conditions,
    status: statuses.filter((each) => wanted.includes(each)),
    limit: 0,
    offset: 0,
    order_by: 'created_at',
    order_dir: 'asc',
  };
}
