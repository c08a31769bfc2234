import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { StoredEvent } from '@spooled/contracts';
import { Bus, BusModule } from '@spooled/nats';
import { Database, PostgresModule, runMigrations } from '@spooled/postgres';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { natsServer, testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import {
  EventFeeds,
  EventFeedsModule,
  EventLog,
  eventLogMigrations,
  EventLogModule,
  type EventLogEntry,
  type FeedEvent,
  type OrganizationFeed,
} from '../src/index.js';

/** A room that does nothing but append. */
const ROOM = 'spooled_test_room';
const room = `
  do $$ begin create role ${ROOM} nologin; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin create role ${ROOM}_maintenance nologin; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin grant spooled_event_writer to ${ROOM}; exception when others then null; end $$;
  do $$ begin grant spooled_events to ${ROOM}_maintenance; exception when others then null; end $$;`;

@Module({
  imports: [
    TelemetryModule.forRoot({ service: 'test' }),
    RuntimeModule,
    BusModule,
    EventLogModule,
    EventFeedsModule,
    PostgresModule.forRoom({ role: ROOM, maxConnections: 20 }),
  ],
})
class AppModule {}

/** The writing and the reading end of the event log in one process, on a database and a bus of its own. */
export class World {
  context!: INestApplicationContext;
  readonly #feeds: OrganizationFeed[] = [];

  private constructor(
    readonly nats: Awaited<ReturnType<typeof natsServer>>,
    readonly owner: pg.Client,
    readonly databaseUrl: string,
    readonly drop: () => Promise<void>,
  ) {}

  static async setup(): Promise<World> {
    const [database, nats] = await Promise.all([testDatabase({ isEmpty: true }), natsServer()]);
    await runMigrations(database.url, eventLogMigrations);
    const owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
    await owner.query(room);
    const world = new World(nats, owner, database.url, database.drop);
    await world.boot();
    return world;
  }

  async boot(): Promise<void> {
    Object.assign(process.env, {
      DATABASE_URL: this.databaseUrl,
      NATS_URL: this.nats.url,
      SPOOLED_ENV: 'test',
      LOG_LEVEL: 'silent',
    });
    this.context = await NestFactory.createApplicationContext(AppModule, {
      logger: false,
      abortOnError: false,
    });
  }

  async stop(): Promise<void> {
    await this.context.close();
    await this.owner.end();
    await this.nats.stop();
    await this.drop();
  }

  get bus(): Bus {
    return this.context.get(Bus);
  }

  get database(): Database {
    return this.context.get(Database);
  }

  /** One transaction that appends, and then throws when told to. */
  async append(entries: readonly EventLogEntry[], fails = false): Promise<void> {
    await this.database.transaction(
      entries.map(({ organizationId }) => organizationId),
      async (transaction) => {
        this.context.get(EventLog).append(transaction, entries);
        if (fails) throw new Error('changed its mind');
      },
    );
  }

  /** The log of an organization: sequence and event. */
  async log(organizationId: string): Promise<FeedEvent[]> {
    const { rows } = await this.owner.query<{ first_seq: string; events: StoredEvent[] }>(
      'select first_seq, events from events.log where organization_id = $1 order by last_seq',
      [organizationId],
    );
    return rows.flatMap(({ first_seq, events }) =>
      events.map((event, index) => ({ seq: Number(first_seq) + index, event })),
    );
  }

  /** A feed and what it hands out. */
  async follow(organizationId: string) {
    const feed = await this.context.get(EventFeeds).acquire(organizationId);
    this.#feeds.push(feed);
    const seen: FeedEvent[] = [];
    const counts = { resets: 0 };
    feed.subscribe({
      onEvents: (events) => void seen.push(...events),
      onReset: () => {
        counts.resets += 1;
      },
    });
    return { feed, seen, counts };
  }

  async outbox(): Promise<number> {
    const { rows } = await this.owner.query<{ count: number }>(
      'select count(*)::int as count from events.outbox',
    );
    return rows[0]!.count;
  }
}

export function event(mark: string): StoredEvent {
  return {
    type: 'JobFailed',
    data: {
      job_id: randomUUID(),
      queue_name: 'emails',
      error: mark,
      retry_count: 0,
      timestamp: new Date().toISOString(),
      rev: 1,
      will_retry: false,
      worker_id: 'w',
    },
  };
}

export function entry(organizationId: string, ...marks: string[]): EventLogEntry {
  return { organizationId, events: marks.map(event) };
}

export const marks = (events: readonly FeedEvent[]): string[] =>
  events.map(({ event: { data } }) => ('error' in data ? data.error : ''));

export const sequence = (length: number, first = 1): number[] =>
  Array.from({ length }, (_, index) => first + index);
