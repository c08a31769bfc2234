import { Injectable, type OnModuleInit } from '@nestjs/common';
import { eventLogRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { page, positions } from './event-log.sql.js';

/** Rows read at a time, and the bytes of one answer: the bus carries 1 MB. */
const PAGE_ROWS = 200;
const PAGE_BYTES = 512 * 1024;

interface Position {
  readonly organization_id: string;
  readonly oldest: number;
  readonly newest: number;
  readonly epoch: string;
}

/** Answers what the log holds to consumers that missed something on the bus. */
@Injectable()
export class ReplayResponder implements OnModuleInit {
  constructor(
    private readonly bus: Bus,
    private readonly database: Database,
  ) {}

  onModuleInit(): void {
    this.bus.respond(eventLogRpc.positions, async ({ organizationIds }) => {
      const rows = await this.database.query<Position>([], positions, [organizationIds]);
      return {
        epoch: rows[0]?.epoch ?? '',
        positions: rows.map(({ organization_id, oldest, newest }) => ({
          organizationId: organization_id,
          oldest,
          newest,
        })),
      };
    });
    this.bus.respondText(eventLogRpc.replay, ({ organizationId, after, upTo }) =>
      this.#replay(organizationId, after, upTo),
    );
  }

  /** Events go from the log to the bus as the text they are: who asked reads them anyway. */
  async #replay(organizationId: string, after: number, upTo: number | null): Promise<string> {
    const [position] = await this.database.query<Position>([], positions, [[organizationId]]);
    const { epoch, oldest, newest } = position!;
    const rows = await this.database.query<{ first_seq: number; events: string }>([], page, [
      organizationId,
      after,
      Math.min(upTo ?? newest, newest),
      PAGE_ROWS,
    ]);
    const batches: string[] = [];
    let bytes = 0;
    for (const { first_seq, events } of rows) {
      bytes += Buffer.byteLength(events);
      if (batches.length > 0 && bytes > PAGE_BYTES) break;
      const head = JSON.stringify({ organization_id: organizationId, epoch, first_seq });
      batches.push(`${head.slice(0, -1)},"events":${events}}`);
    }
    const done = batches.length === rows.length && rows.length < PAGE_ROWS;
    const head = JSON.stringify({ epoch, oldest, newest, done });
    return `${head.slice(0, -1)},"batches":[${batches.join(',')}]}`;
  }
}
