import { Injectable } from '@nestjs/common';
import type { Transaction } from '@spooled/postgres';
import { lockWorkflows, recountWorkflows } from './workflow.sql.js';

/** A job that moved, and the workflow it is part of, if any. */
export interface WorkflowMember {
  readonly organization_id: string;
  readonly workflow_id: string | null;
}

/** Keeps status and counts of workflows true to their jobs, in the transactions that move those. */
@Injectable()
export class WorkflowProgress {
  /** Workflows whose jobs an open transaction moved, with their organizations. */
  readonly #touched = new WeakMap<Transaction, Map<string, string>>();

  /** Call it for every job that was begun, ended or returned; the counting is done once, right before the commit. */
  touch(transaction: Transaction, jobs: readonly WorkflowMember[]): void {
    for (const { organization_id, workflow_id } of jobs) {
      if (workflow_id === null) continue;
      let touched = this.#touched.get(transaction);
      if (touched === undefined) {
        const all = (touched = new Map<string, string>());
        this.#touched.set(transaction, all);
        transaction.beforeCommit(() => recount(transaction, all), 0);
      }
      touched.set(workflow_id, organization_id);
    }
  }
}

/** The lock first, in a statement of its own: the count then sees what other transactions committed meanwhile. */
function recount(transaction: Transaction, touched: ReadonlyMap<string, string>): void {
  const values = [[...touched.values()], [...touched.keys()]];
  transaction.send(lockWorkflows, values);
  transaction.send(recountWorkflows, values);
}
