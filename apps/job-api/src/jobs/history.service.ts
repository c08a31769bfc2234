import { Injectable } from '@nestjs/common';
import type { HistoryEvent, HistoryQuery, Principal } from '@spooled/contracts';
import { historyOf } from './domain/history.js';
import { scopeOf, unknownJob } from './job.service.js';
import { pageOf, type Page } from './page.js';
import { HistoryRepository } from './store/history.repository.js';

/** Tells what happened to a job. */
@Injectable()
export class HistoryService {
  constructor(private readonly histories: HistoryRepository) {}

  /** @throws AppError `NOT_FOUND` */
  async read(caller: Principal, jobId: string, query: HistoryQuery): Promise<Page<HistoryEvent>> {
    const { order_dir: direction, limit, offset } = query;
    // An attempt has more than one event, so that this many are enough.
    const attempts = offset + limit + 1;
    const found = await this.histories.read(scopeOf(caller), jobId, direction, attempts);
    if (found === undefined) throw unknownJob();
    const { job, past } = found;
    const events =
      direction === 'asc' ? historyOf(job, past) : historyOf(job, past.toReversed()).toReversed();
    return pageOf(events.slice(offset), limit);
  }
}
