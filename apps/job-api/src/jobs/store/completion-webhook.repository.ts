import { Injectable } from '@nestjs/common';
import { Database, type Transaction } from '@spooled/postgres';
import type { NewJob } from './enqueue.repository.js';
import { noteOrganizations, ofJobs, organizations } from './completion-webhook.sql.js';

export interface CompletionWebhook {
  readonly jobId: string;
  readonly url: string;
  readonly secret: string | null;
}

/** Organizations that are remembered as noted. */
const MAX_NOTED = 10_000;

/** Which jobs want a word when they end, and whose they are. */
@Injectable()
export class CompletionWebhookRepository {
  readonly #noted = new Set<string>();

  constructor(private readonly database: Database) {}

  /** Notes the organizations of new jobs that have one. Costs nothing without, and one statement an organization with. */
  note(transaction: Transaction, jobs: readonly NewJob[]): void {
    const fresh = new Set(
      jobs
        .filter((job) => job.completionWebhook !== null && !this.#noted.has(job.organizationId))
        .map(({ organizationId }) => organizationId),
    );
    if (fresh.size === 0) return;
    transaction.send(noteOrganizations, [[...fresh]]);
    transaction.afterCommit(() => {
      if (this.#noted.size > MAX_NOTED) this.#noted.clear();
      for (const organizationId of fresh) this.#noted.add(organizationId);
    });
  }

  /** A page after `after`, in order. */
  async organizations(
    after: string | null,
    limit: number,
  ): Promise<{ organizationId: string; newestSeq: number }[]> {
    const rows = await this.database.maintenance((tx) =>
      tx.query<{ organization_id: string; newest_seq: number }>(organizations, [after, limit]),
    );
    return rows.map(({ organization_id, newest_seq }) => ({
      organizationId: organization_id,
      newestSeq: newest_seq,
    }));
  }

  async ofJobs(organizationId: string, jobIds: readonly string[]): Promise<CompletionWebhook[]> {
    const rows = await this.database.query<{ id: string; url: string; secret: string | null }>(
      [organizationId],
      ofJobs,
      [organizationId, jobIds],
    );
    return rows.map(({ id, url, secret }) => ({ jobId: id, url, secret }));
  }
}
