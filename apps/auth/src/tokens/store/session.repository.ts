import { Injectable } from '@nestjs/common';
import type { Principal } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import * as statements from './session.sql.js';

export interface NewTicket {
  readonly hash: Buffer;
  readonly apiKeyId: string;
  readonly token: Principal['token'] | null;
  readonly queue: string | null;
  readonly jobId: string | null;
  readonly lifeSecs: number;
}

export interface TicketRow {
  readonly api_key_id: string;
  readonly token: NonNullable<Principal['token']> | null;
  readonly queue: string | null;
  readonly job_id: string | null;
}

/** Logins and the tickets made from them. */
@Injectable()
export class SessionRepository {
  constructor(private readonly database: Database) {}

  async open(
    organizationId: string,
    sid: string,
    apiKeyId: string,
    lifeSecs: number,
  ): Promise<void> {
    const values = [organizationId, sid, apiKeyId, lifeSecs];
    await this.database.query([organizationId], statements.open, values);
  }

  /** Whether the session still holds; if so it lasts at least this long from now. */
  async extend(
    organizationId: string,
    sid: string,
    apiKeyId: string,
    lifeSecs: number,
  ): Promise<boolean> {
    const values = [organizationId, sid, apiKeyId, lifeSecs];
    const rows = await this.database.query([organizationId], statements.extend, values);
    return rows.length > 0;
  }

  /** Answers the sessions that were live until now. */
  async revoke(
    organizationId: string,
    sids: readonly string[],
  ): Promise<{ sid: string; api_key_id: string }[]> {
    return this.database.query([organizationId], statements.revoke, [organizationId, sids]);
  }

  async saveTicket(organizationId: string, ticket: NewTicket): Promise<void> {
    await this.database.query([organizationId], statements.saveTicket, [
      organizationId,
      ticket.hash,
      ticket.apiKeyId,
      ticket.token == null ? null : JSON.stringify(ticket.token),
      ticket.queue,
      ticket.jobId,
      ticket.lifeSecs,
    ]);
  }

  /** The ticket, once; `null` ever after. */
  async redeemTicket(organizationId: string, hash: Buffer): Promise<TicketRow | null> {
    const values = [organizationId, hash];
    const [row] = await this.database.query<TicketRow>(
      [organizationId],
      statements.redeemTicket,
      values,
    );
    return row ?? null;
  }

  /** Deletes up to `limit` sessions and as many tickets that are over; answers the larger number. */
  async prune(limit: number): Promise<number> {
    return this.database.maintenance(async (tx) => {
      const sessions = await tx.query<{ pruned: number }>(statements.pruneSessions, [limit]);
      const tickets = await tx.query<{ pruned: number }>(statements.pruneTickets, [limit]);
      return Math.max(sessions[0]?.pruned ?? 0, tickets[0]?.pruned ?? 0);
    });
  }
}
