/** A PostgreSQL and its synchronous standby, behind one address that a failover moves. */
import { promote, standbyOf, type PostgresServer } from '@spooled/testing';
import pg from 'pg';

import { FrayedLine } from './frayed-line.js';

export class DatabasePair {
  static async of(primary: PostgresServer): Promise<DatabasePair> {
    const replication = await FrayedLine.to(primary.url);
    const standby = await standbyOf(primary, replication.port);
    return new DatabasePair(primary, standby, replication, await FrayedLine.to(primary.url));
  }

  private constructor(
    readonly primary: PostgresServer,
    readonly standby: PostgresServer,
    /** From the primary to the standby. */
    readonly replication: FrayedLine,
    /** From the services to the database. */
    readonly line: FrayedLine,
  ) {}

  /** Where the services find it. */
  get url(): string {
    const url = new URL(this.primary.url);
    url.port = String(this.line.port);
    return url.href;
  }

  /** The standby becomes the primary, and the address leads to it. */
  async failOver(): Promise<void> {
    await promote(this.standby);
    this.line.leadTo(this.standby.url);
    this.line.mend();
  }

  /** How far the log that the primary has on its disk goes beyond what the standby was given, in bytes. */
  async unreplicatedBytes(): Promise<number> {
    const { lsn } = await this.ask<{ lsn: string }>(
      this.standby,
      'select pg_last_wal_receive_lsn() as lsn',
    );
    const { bytes } = await this.ask<{ bytes: number }>(
      this.primary,
      `select (pg_current_wal_flush_lsn() - '${lsn}')::int as bytes`,
    );
    return bytes;
  }

  /** Commits that wait for the standby. */
  async waitingCommits(): Promise<number> {
    const { count } = await this.ask<{ count: number }>(
      this.primary,
      `select count(*)::int as count from pg_stat_activity where wait_event = 'SyncRep'`,
    );
    return count;
  }

  /** The one row. */
  private async ask<T>({ url }: PostgresServer, sql: string): Promise<T> {
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    try {
      const { rows } = await owner.query<pg.QueryResultRow>(sql);
      return rows[0] as T;
    } finally {
      await owner.end();
    }
  }
}
