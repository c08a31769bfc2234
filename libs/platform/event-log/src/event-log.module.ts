import { Global, Module } from '@nestjs/common';
import { loadConfig } from '@spooled/config';
import { PostgresModule } from '@spooled/postgres';
import { EVENT_LOG_CONFIG, eventLogConfig } from './event-log.config.js';
import { EventFeeds } from './event-feeds.js';
import { EventLog } from './event-log.js';
import { EventStream } from './event-stream.js';
import { Publisher } from './publisher.js';
import { ReplayResponder } from './replay.responder.js';
import { Sweeper } from './sweeper.js';

/** For services that change state: append, publish, sweep, and answer replays. */
@Global()
@Module({
  imports: [PostgresModule.forRoom({ role: 'spooled_events', maxConnections: 3 })],
  providers: [
    { provide: EVENT_LOG_CONFIG, useFactory: () => loadConfig(eventLogConfig) },
    EventLog,
    EventStream,
    Publisher,
    Sweeper,
    ReplayResponder,
  ],
  exports: [EventLog],
})
export class EventLogModule {}

/** For services that follow events; needs no database. */
@Global()
@Module({ providers: [EventFeeds], exports: [EventFeeds] })
export class EventFeedsModule {}
