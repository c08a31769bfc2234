import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '@spooled/postgres';
import * as statements from './email-code.sql.js';

@Injectable()
export class EmailCodeRepository {
  constructor(private readonly database: Database) {}

  async keep(addressHash: Buffer, codeHash: Buffer, lifeSecs: number): Promise<void> {
    await this.database.query([], statements.keep, [addressHash, codeHash, lifeSecs]);
  }

  /** Whether this is the address's code; it is used up then. A wrong one costs a try. */
  async redeem(addressHash: Buffer, codeHash: Buffer): Promise<boolean> {
    const [kept] = await this.database.query<{ code_hash: Buffer }>([], statements.attempt, [
      addressHash,
    ]);
    if (kept === undefined || !timingSafeEqual(kept.code_hash, codeHash)) return false;
    const used = await this.database.query([], statements.use, [addressHash, codeHash]);
    return used.length > 0;
  }

  /** Answers how many of a batch had run out. */
  async prune(batch: number): Promise<number> {
    const [row] = await this.database.maintenance((tx) =>
      tx.query<{ pruned: number }>(statements.prune, [batch]),
    );
    return row?.pruned ?? 0;
  }
}
