import { Injectable, type OnModuleInit } from '@nestjs/common';
import { eventLogRpc, type EventBatch, type StoredEvent } from '@spooled/contracts';
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
    this.bus.respond(eventLogRpc.replay, ({ organizationId, after, upTo }) =>
      this.#replay(organizationId, after, upTo),
    );
  }

  async #replay(organizationId: string, after: number, upTo: number | null) {
    const [position] = await this.database.query<Position>([], positions, [[organizationId]]);
    const { epoch, oldest, newest } = position!;
    const rows = await this.database.query<{ first_seq: number; events: StoredEvent[] }>([], page, [
      organizationId,
      after,
      Math.min(upTo ?? newest, newest),
      PAGE_ROWS,
    ]);
    const batches: EventBatch[] = [];
    let bytes = 0;
    for (const { first_seq, events } of rows) {
      const size = Buffer.byteLength(JSON.stringify(events));
      if (batches.length > 0 && bytes + size > PAGE_BYTES) break;
      batches.push({ organization_id: organizationId, epoch, first_seq, events });
      bytes += size;
    }
    const done = batches.length === rows.length && rows.length < PAGE_ROWS;
    return { epoch, oldest, newest, batches: batches.map(mutable), done };
  }
}

function mutable(batch: EventBatch) {
  return { ...batch, events: [...batch.events] };
}
