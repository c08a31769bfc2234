import { Injectable } from '@nestjs/common';
import { AppError, type DependencyMode, type JobStatus } from '@spooled/contracts';
import { Database, type Transaction } from '@spooled/postgres';
import { QueuesByOrganization } from '../by-organization.js';
import { waitingOn } from '../domain/dependencies.js';
import { WorkSignal } from '../work-signal.js';
import * as dependencySql from './dependency.sql.js';
import type { ParentRow } from './enqueue.repository.js';
import type { Scope } from './job.repository.js';

/** A job may move from one state to the next between the parts of a look. */
const MAX_LOOKS = 3;

export interface Neighbour {
  readonly id: string;
  readonly queue_name: string;
  readonly status: JobStatus;
}

export interface Dependent extends Neighbour {
  readonly dependency_mode: DependencyMode;
}

export interface AddedDependencies {
  readonly addedIds: readonly string[];
  readonly isMet: boolean;
}

/** Which jobs wait for which. */
@Injectable()
export class DependencyRepository {
  constructor(
    private readonly database: Database,
    private readonly work: WorkSignal,
  ) {}

  /** What a job waits for, and what waits for it, as far as the scope shows. */
  async neighbours(
    { organizationId, queues }: Scope,
    jobId: string,
  ): Promise<{ dependencies: Neighbour[]; dependents: Dependent[] }> {
    const values = [organizationId, jobId, queues];
    return this.database.transaction([organizationId], async (transaction) => {
      const [dependencies, dependents] = await Promise.all([
        transaction.query<Neighbour>(dependencySql.dependenciesOf, values),
        transaction.query<Dependent>(dependencySql.dependentsOf, values),
      ]);
      return { dependencies, dependents };
    });
  }

  /**
   * Lets a job that has not begun wait for others. Itself, known dependencies, and those that would close a ring are
   * skipped. Answers undefined when the job has begun, ended, or is not there.
   * @throws AppError `NOT_FOUND` for an unknown dependency, `CONFLICT` when the job could then never run
   */
  async add(
    scope: Scope,
    jobId: string,
    parentIds: readonly string[],
    mode: DependencyMode,
  ): Promise<AddedDependencies | undefined> {
    const { organizationId } = scope;
    return this.database.transaction([organizationId], async (transaction) => {
      transaction.send(dependencySql.lockGraph, [organizationId]);
      const wanted = [...new Set(parentIds)].filter((id) => id !== jobId);
      const [rings, known] = await Promise.all([
        transaction.query<{ id: string }>(dependencySql.descendantsAmong, [
          organizationId,
          jobId,
          wanted,
        ]),
        transaction.query<{ id: string }>(dependencySql.dependenciesOf, [
          organizationId,
          jobId,
          null,
        ]),
      ]);
      const skipped = new Set([...rings, ...known].map(({ id }) => id));
      const addedIds = wanted.filter((id) => !skipped.has(id));
      const all = [...known.map(({ id }) => id), ...wanted];
      // Parents before their child, as whoever ends a parent does.
      const parents = await this.#hold(transaction, scope, [...new Set(all)], wanted);
      if (!(await this.#holdChild(transaction, scope, jobId))) return undefined;
      const depended = parents.filter(({ id }) => !rings.some((ring) => ring.id === id));
      const waits = waitingOn(mode, depended);
      if (waits === 'impossible') {
        throw new AppError(
          'CONFLICT',
          'A dependency ended without completing: the job could never run.',
        );
      }
      if (addedIds.length > 0) {
        transaction.send(dependencySql.depend, [
          addedIds.map(() => organizationId),
          addedIds.map(() => jobId),
          addedIds,
        ]);
      }
      transaction.send(dependencySql.setMode, [organizationId, jobId, mode]);
      await this.#wait(transaction, organizationId, jobId, waits);
      return { addedIds, isMet: waits === null };
    });
  }

  /** Keeps all dependencies from ending until commit; those that are asked for must be visible to the caller. */
  async #hold(
    transaction: Transaction,
    { organizationId, queues }: Scope,
    ids: readonly string[],
    wanted: readonly string[],
  ): Promise<ParentRow[]> {
    const found = await holdParents(transaction, organizationId, ids);
    for (const id of wanted) {
      const parent = found.find((row) => row.id === id);
      if (parent === undefined || queues?.includes(parent.queue_name) === false) {
        throw new AppError('NOT_FOUND', 'Dependency not found');
      }
    }
    return found;
  }

  async #holdChild(
    transaction: Transaction,
    { organizationId, queues }: Scope,
    jobId: string,
  ): Promise<boolean> {
    const values = [organizationId, queues, jobId];
    for (let look = 1; look <= MAX_LOOKS; look += 1) {
      const rows = await transaction.query(dependencySql.holdChild, values);
      if (rows.length > 0) return true;
    }
    return false;
  }

  async #wait(
    transaction: Transaction,
    organizationId: string,
    jobId: string,
    waits: number | null,
  ): Promise<void> {
    const values = [organizationId, jobId, waits];
    const freed = await transaction.query<{ queue_name: string }>(dependencySql.setWaiting, values);
    const ready = new QueuesByOrganization();
    for (const { queue_name } of freed) ready.add(organizationId, queue_name);
    transaction.afterCommit(() => {
      this.work.announce(ready);
      if (waits === null) this.work.announceDue(new Date());
    });
  }
}

/** Keeps jobs from ending until commit; unknown ones are left out. */
export async function holdParents(
  transaction: Transaction,
  organizationId: string,
  ids: readonly string[],
): Promise<ParentRow[]> {
  const found = new Map<string, ParentRow>();
  for (let look = 1; look <= MAX_LOOKS && found.size < ids.length; look += 1) {
    const values = [organizationId, ids.filter((id) => !found.has(id))];
    const rows = await transaction.query<ParentRow>(dependencySql.holdParents, values);
    for (const row of rows) found.set(row.id, row);
  }
  return [...found.values()];
}
