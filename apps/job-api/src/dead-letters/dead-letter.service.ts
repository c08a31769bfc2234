import { Injectable } from '@nestjs/common';
import { keyActor } from '@spooled/audit';
import {
  AppError,
  canUseQueue,
  isUnrestricted,
  isUuid,
  queueChanged,
  type DeadLetter,
  type DeadLetterQuery,
  type Principal,
  type PurgeDeadLettersRequest,
  type RetryDeadLettersRequest,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { scopeOf } from '../jobs/job.service.js';
import { pageOf, type Page } from '../jobs/page.js';
import { JobLists } from '../jobs/store/job-lists.js';
import { DeadLetterRepository, type OldestSelection } from './store/dead-letter.repository.js';

/** Use cases of whoever looks after dead letters: list, retry, purge. */
@Injectable()
export class DeadLetterService {
  constructor(
    private readonly letters: DeadLetterRepository,
    private readonly lists: JobLists,
    private readonly bus: Bus,
  ) {}

  async list(caller: Principal, query: DeadLetterQuery): Promise<Page<DeadLetter>> {
    if (query.q !== undefined || query.job_type !== undefined) return this.#search(caller, query);
    const found = await this.letters.list(scopeOf(caller), {
      queueName: query.queue_name ?? null,
      tag: query.tag ?? null,
      limit: query.limit + 1,
      offset: query.offset,
    });
    return pageOf(found, query.limit);
  }

  /** Jobs that are unknown or no dead letters are skipped. @throws AppError `ACCESS_DENIED`, `QUOTA_EXCEEDED`, `FEATURE_DISABLED` */
  async retry(caller: Principal, request: RetryDeadLettersRequest) {
    const { job_ids: jobIds = null, queue_name: queueName = null } = request;
    requireQueue(caller, queueName);
    if (jobIds !== null && !isUnrestricted(caller)) {
      throw new AppError('ACCESS_DENIED', 'A key for some queues may not name jobs.');
    }
    const which =
      jobIds === null ? oldestOf(request) : { jobIds: jobIds.filter(isUuid), queueName };
    const retried = await this.letters.retry(caller.organizationId, caller.plan, which);
    return { retried_count: retried.length, retried_jobs: retried };
  }

  /** @throws AppError `ACCESS_DENIED` */
  async purge(caller: Principal, request: PurgeDeadLettersRequest) {
    const selection = { ...oldestOf(request), givenUpBefore: request.older_than ?? null };
    requireQueue(caller, selection.queueName);
    const { organizationId } = caller;
    const purged = await this.letters.purge(organizationId, selection, keyActor(caller));
    // No event tells that a finished job is gone: who watches the counts must look anew.
    for (const name of purged.keys())
      this.bus.hint(queueChanged, organizationId, { queueName: name });
    return { purged_count: [...purged.values()].reduce((sum, count) => sum + count, 0) };
  }

  /** As lists of jobs look: by text in the order in which the jobs were made, by type in that in which they were given up. */
  async #search(
    caller: Principal,
    { limit, ...query }: DeadLetterQuery,
  ): Promise<Page<DeadLetter>> {
    const found = await this.lists.read(scopeOf(caller), {
      ...query,
      status: ['deadletter'],
      order_by: 'completed_at',
      order_dir: 'desc',
      limit: limit + 1,
    });
    const { items, hasMore } = pageOf(found, limit);
    const ids = items.map(({ id }) => id);
    return { items: await this.letters.listByIds(caller.organizationId, ids), hasMore };
  }
}

/** A key for some queues must say which of them; it may not reach into all at once. */
function requireQueue(caller: Principal, queueName: string | null): void {
  if (queueName === null ? isUnrestricted(caller) : canUseQueue(caller, queueName)) return;
  throw new AppError(
    'ACCESS_DENIED',
    queueName === null
      ? 'A key for some queues must name one of them.'
      : `This key may not use the queue ${queueName}.`,
  );
}

function oldestOf({
  queue_name: queueName = null,
  tag = null,
  job_type: jobType = null,
  limit,
}: RetryDeadLettersRequest | PurgeDeadLettersRequest): OldestSelection {
  return { queueName, tag, jobType, limit };
}
