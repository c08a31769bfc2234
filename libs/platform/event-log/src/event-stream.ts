import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import {
  DiscardPolicy,
  jetstreamManager,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { ALL_EVENT_SUBJECTS, EVENT_STREAM } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { isDeepStrictEqual } from 'node:util';
import { EVENT_LOG_CONFIG, type EventLogConfig } from './event-log.config.js';

const CHECK_EVERY_MS = 30_000;
const RETRY_MS = 500;
const HOUR_MS = 3_600_000;

/** Sees to it that the stream exists: a broker may be wiped under us, and is then only a fresh broker. */
@Injectable()
export class EventStream implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly bus: Bus,
    @Inject(EVENT_LOG_CONFIG) private readonly config: EventLogConfig,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({ name: 'events.stream', step: () => this.#ensure(), logger, metrics });
    bus.onReconnect(() => this.suspect());
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  /** A publish was not confirmed: look now. */
  suspect(): void {
    this.#loop.wake();
  }

  async #ensure(): Promise<number> {
    if (!this.bus.isConnected) return RETRY_MS;
    const manager = await jetstreamManager(this.bus.connection, { timeout: 2000 });
    const wanted = {
      name: EVENT_STREAM,
      subjects: [ALL_EVENT_SUBJECTS],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      num_replicas: this.config.NATS_STREAM_REPLICAS,
      max_age: nanos(this.config.EVENT_RETENTION_HOURS * HOUR_MS),
      max_bytes: this.config.NATS_STREAM_MAX_BYTES,
      duplicate_window: nanos(120_000),
    };
    const found = await manager.streams.info(EVENT_STREAM).catch((error: unknown) => {
      const isAbsent =
        error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
      if (!isAbsent) throw error;
      return undefined;
    });
    if (found === undefined) await manager.streams.add(wanted);
    // An update concerns every server of a cluster: none while one of them catches up, unless there is a reason.
    else if (!isDeepStrictEqual({ ...found.config, ...wanted }, found.config)) {
      await manager.streams.update(EVENT_STREAM, wanted);
    }
    return CHECK_EVERY_MS;
  }
}
