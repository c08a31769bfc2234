import { Injectable } from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import { Database, type Transaction } from '@spooled/postgres';
import type { Definition, ScheduleRow } from '../domain/schedule.js';
import * as statements from './schedule.sql.js';

/** What an organization's active schedules take of its plan, and what time it is. */
export interface Usage {
  readonly active: number;
  readonly queue_names: readonly string[];
  readonly now: Date;
}

/** Payloads of one list, together: more would not fit into the memory of a service that many share. */
const MAX_LIST_BYTES = 32 * 1024 * 1024;

@Injectable()
export class ScheduleRepository {
  constructor(private readonly database: Database) {}

  async find(organizationId: string, id: string): Promise<ScheduleRow | null> {
    const values = [organizationId, id];
    const [row] = await this.database.query<ScheduleRow>([organizationId], statements.find, values);
    return row ?? null;
  }

  /**
   * Newest first; no queues = of every queue.
   * @throws AppError `PAYLOAD_TOO_LARGE` when the payloads of so many schedules are too large for one answer
   */
  async list(
    organizationId: string,
    queues: readonly string[],
    limit: number,
    offset: number,
  ): Promise<ScheduleRow[]> {
    const rows = await this.database.query<ScheduleRow & { page_bytes: number }>(
      [organizationId],
      statements.list,
      [organizationId, queues.length === 0 ? null : queues, limit, offset, MAX_LIST_BYTES],
    );
    if ((rows[0]?.page_bytes ?? 0) > MAX_LIST_BYTES) {
      throw new AppError('PAYLOAD_TOO_LARGE', 'So many payloads do not fit; use a smaller limit.');
    }
    return rows;
  }

  async countActive(organizationId: string): Promise<number> {
    const [row] = await this.database.query<Usage>([organizationId], statements.usage, [
      organizationId,
    ]);
    return row!.active;
  }

  /** Deletes all there is of an organization. Answers whether nothing is left; otherwise the time was too short. */
  forget(organizationId: string): Promise<boolean> {
    return statements.rows.delete(this.database, organizationId);
  }

  /** Makes further callers of the organization wait until commit, then counts. */
  async lockUsage(tx: Transaction, organizationId: string): Promise<Usage> {
    const [, [usage]] = await Promise.all([
      tx.query(statements.lockSlots, [organizationId]),
      tx.query<Usage>(statements.usage, [organizationId]),
    ]);
    return usage!;
  }

  async lock(
    tx: Transaction,
    organizationId: string,
    id: string,
  ): Promise<(ScheduleRow & { readonly now: Date }) | null> {
    const values = [organizationId, id];
    const [row] = await tx.query<ScheduleRow & { now: Date }>(statements.lock, values);
    return row ?? null;
  }

  async insert(
    tx: Transaction,
    organizationId: string,
    id: string,
    definition: Definition,
    nextRunAt: Date,
  ): Promise<ScheduleRow> {
    const values = [organizationId, id, ...bound(definition), nextRunAt];
    const [row] = await tx.query<ScheduleRow>(statements.insert, values);
    return row!;
  }

  async revise(
    tx: Transaction,
    { organization_id, id }: ScheduleRow,
    definition: Definition,
    nextRunAt: Date,
    isActive: boolean,
  ): Promise<ScheduleRow> {
    const values = [organization_id, id, ...bound(definition), nextRunAt, isActive];
    const [row] = await tx.query<ScheduleRow>(statements.revise, values);
    return row!;
  }

  async setActive(
    tx: Transaction,
    { organization_id, id }: ScheduleRow,
    isActive: boolean,
    nextRunAt: Date,
  ): Promise<ScheduleRow> {
    const values = [organization_id, id, isActive, nextRunAt];
    const [row] = await tx.query<ScheduleRow>(statements.setActive, values);
    return row!;
  }

  async remove(tx: Transaction, { organization_id, id }: ScheduleRow): Promise<void> {
    await tx.query(statements.remove, [organization_id, id]);
  }

  async markFeeder(tx: Transaction, organizationId: string): Promise<void> {
    await tx.query(statements.markFeeder, [organizationId]);
  }

  async unmarkFeeder(tx: Transaction, organizationId: string): Promise<void> {
    await tx.query(statements.unmarkFeeder, [organizationId]);
  }

  /** Organizations of which job-api may hold queues: a page after `after`, in order. */
  async feeders(after: string, limit: number): Promise<string[]> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ organization_id: string }>(statements.feeders, [after, limit]),
    );
    return rows.map(({ organization_id }) => organization_id);
  }
}

/** In the order of the columns of `insert` and `revise`, the size of what is sent at the end. */
function bound(definition: Definition): unknown[] {
  const payload = JSON.stringify(definition.payloadTemplate);
  const tags = textOrNull(definition.tags);
  return [
    definition.name,
    definition.description,
    definition.cronExpression,
    definition.timezone,
    definition.queueName,
    payload,
    definition.priority,
    definition.maxRetries,
    definition.timeoutSeconds,
    tags,
    textOrNull(definition.metadata),
    Buffer.byteLength(payload) + Buffer.byteLength(tags ?? ''),
  ];
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
