import { Module } from '@nestjs/common';
import { EventLogReader, EventNews } from '@spooled/event-log';
import { PostgresModule } from '@spooled/postgres';
import { loadWebhookDispatcherConfig, WEBHOOK_DISPATCHER_CONFIG } from './config.js';
import { DeliveryAttempts } from './deliveries/delivery-attempts.js';
import { CompletionEvents } from './deliveries/completion-events.js';
import { DeliveryService } from './deliveries/delivery.service.js';
import { EndpointEvents } from './deliveries/endpoint-events.js';
import { EventFanOut } from './deliveries/event-fan-out.js';
import { MissedEvents } from './deliveries/missed-events.js';
import { Sender } from './deliveries/sender.js';
import { DeliveryRepository } from './deliveries/store/delivery.repository.js';
import { FollowerRepository } from './deliveries/store/follower.repository.js';
import { EndpointService } from './endpoints/endpoint.service.js';
import { EndpointsController } from './endpoints/endpoints.controller.js';
import { SecretBox } from './endpoints/secret-box.js';
import { EndpointRepository } from './endpoints/store/endpoint.repository.js';
import { IngestionController } from './ingestion/ingestion.controller.js';
import { IngestionService } from './ingestion/ingestion.service.js';
import { CompletionFollower } from './maintenance/completion-follower.js';
import { DeliveryPruner } from './maintenance/delivery-pruner.js';

/** Every statement starts from a few keys or from the head of an index, however many rows there are at the moment. */
const KEYED_PLANS = {
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

/** The room: outgoing webhooks, and webhooks that come in. Needs the global platform modules around it. */
@Module({
  imports: [
    PostgresModule.forRoom({
      role: 'spooled_webhooks',
      maxConnections: 8,
      settings: KEYED_PLANS,
    }),
  ],
  providers: [
    { provide: WEBHOOK_DISPATCHER_CONFIG, useFactory: loadWebhookDispatcherConfig },
    EventLogReader,
    EventNews,
    SecretBox,
    EndpointRepository,
    FollowerRepository,
    DeliveryRepository,
    Sender,
    DeliveryAttempts,
    MissedEvents,
    EndpointEvents,
    CompletionEvents,
    EventFanOut,
    EndpointService,
    DeliveryService,
    EndpointsController,
    IngestionService,
    IngestionController,
    CompletionFollower,
    DeliveryPruner,
  ],
})
export class WebhookDispatcherModule {}
export { migrations } from './migrations/index.js';
