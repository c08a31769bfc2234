import { Injectable } from '@nestjs/common';
import type { JobSummary, ListQuery } from '@spooled/contracts';
import { Database, type Statement } from '@spooled/postgres';
import {
  idRange,
  idsCreated,
  intersection,
  MAX_SEARCHED,
  type IdRange,
} from '../domain/id-range.js';
import { toSummary, type Scope, type SummaryRow } from './job.repository.js';
import * as listSql from './list.sql.js';
import { rarityOf } from './rarity.js';

/** One way in which a list can be cut out. */
interface Selection extends Omit<ListQuery, 'queue_name' | 'queue' | 'q'> {
  readonly queueName: string | null;
  readonly ids: IdRange | null;
}

/** Lists of jobs, by whatever filters. */
@Injectable()
export class JobLists {
  constructor(private readonly database: Database) {}

  /** At most `limit` jobs, of those whose ids are in the range unless null. */
  async read(scope: Scope, query: ListQuery, ids: IdRange | null = null): Promise<JobSummary[]> {
    const { queue_name, queue, q, ...filters } = query;
    const selection = { ...filters, queueName: queue_name ?? queue ?? null, ids };
    if (q !== undefined) return this.#search(scope, selection, q);
    return (await this.#list(scope, selection)).map(toSummary);
  }

  /** What each way of looking finds first is enough for the first of all that any of them finds. */
  async #search(scope: Scope, selection: Selection, q: string): Promise<JobSummary[]> {
    const { offset, order_dir: direction } = selection;
    const limit = Math.min(selection.limit, MAX_SEARCHED - offset);
    if (limit <= 0) return [];
    const ways = await this.#waysOf(scope, selection, q);
    const order = { order_by: 'created_at', limit: offset + limit, offset: 0 } as const;
    const found = await Promise.all(ways.map((way) => this.#list(scope, { ...way, ...order })));
    const byId = new Map(found.flat().map((row) => [row.id, row]));
    const rows = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    if (direction === 'desc') rows.reverse();
    return rows.slice(offset, offset + limit).map(toSummary);
  }

  /** The selection narrowed to each thing that the text may mean. */
  async #waysOf({ organizationId }: Scope, selection: Selection, q: string): Promise<Selection[]> {
    const ask = <R>(statement: Statement) =>
      this.database.query<R>([organizationId], statement, [organizationId, q]);
    const [queues, types, keyed] = await Promise.all([
      ask<{ name: string }>(listSql.queuesNamed),
      ask<{ name: string }>(listSql.typesNamed),
      ask<{ id: string }>(listSql.idOfKey),
    ]);
    const { queueName, job_type: jobType, tag, ids: within } = selection;
    const ranges = [idRange(q), ...keyed.map(({ id }) => ({ first: id, last: id }))];
    return [
      ...ranges
        .filter((ids) => ids !== null)
        .map((ids) => ({ ...selection, ids: within === null ? ids : intersection(ids, within) })),
      ...queues
        .filter(({ name }) => queueName === null || queueName === name)
        .map(({ name }) => ({ ...selection, queueName: name })),
      ...types
        .filter(({ name }) => jobType === undefined || jobType === name)
        .map(({ name }) => ({ ...selection, job_type: name })),
      ...(tag === undefined || tag === q ? [{ ...selection, tag: q }] : []),
    ];
  }

  async #list({ organizationId, queues }: Scope, selection: Selection): Promise<SummaryRow[]> {
    const { status, order_by, order_dir, queueName, limit, offset } = selection;
    const { tag = null, job_type: jobType = null } = selection;
    const { created_after: from = null, created_before: before = null } = selection;
    const hasTimes = from !== null || before !== null;
    const ids = hasTimes ? idsCreated(from, before, selection.ids) : selection.ids;
    const [tagRarity, typeRarity] = await Promise.all([
      rarityOf(this.database, organizationId, 'tag', tag),
      rarityOf(this.database, organizationId, 'type', jobType),
    ]);
    const statement = listSql.list({
      statuses: status,
      order: order_by,
      direction: order_dir,
      hasScope: queues !== null,
      hasQueue: queueName !== null,
      tag: tagRarity,
      jobType: typeRarity,
      range: hasTimes ? 'times' : ids === null ? 'none' : 'ids',
    });
    const values = [queueName, tag, limit, offset, jobType, ids?.first, ids?.last, from, before];
    return this.database.query<SummaryRow>([organizationId], statement, [
      organizationId,
      queues,
      ...values.map((value) => value ?? null),
    ]);
  }
}
