import { connect, type NatsConnection } from '@nats-io/transport-node';
import { AppError } from '@spooled/contracts';
import type { Logger } from '@spooled/telemetry';
import { setTimeout as delay } from 'node:timers/promises';
import { natsAddress, type NatsConfig } from './nats.config.js';

/** How long a start waits for the bus before going on without it, in milliseconds. */
const FIRST_CONNECT_WAIT_MS = 2000;
const REDIAL_MS = 300;
const DRAIN_LIMIT_MS = 5000;
const FLUSH_LIMIT_MS = 1000;

/** Makes a subscription. Answers a function that ends it. */
export type Subscribe = (connection: NatsConnection) => () => void;

/** The one connection to NATS, whenever there is one, and the subscriptions that every one of them gets. */
export class BusConnection {
  /** Each with what ends it on the present connection. */
  readonly #subscriptions = new Map<Subscribe, (() => void) | undefined>();
  readonly #onReconnect: (() => void)[] = [];
  #connection: NatsConnection | undefined;
  #isConnected = false;
  readonly #stopping = new AbortController();

  constructor(
    private readonly config: NatsConfig,
    private readonly logger: Logger,
  ) {}

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** @throws AppError `SERVICE_UNAVAILABLE` when it is away. */
  get present(): NatsConnection {
    if (this.#connection === undefined || !this.#isConnected)
      throw away('The bus is not available.');
    return this.#connection;
  }

  /** What the server takes in one message, in bytes, as it said last. */
  get maxPayload(): number {
    return this.#connection?.info?.max_payload ?? Infinity;
  }

  /** Begins to connect, and waits a moment for it. */
  async open(): Promise<void> {
    await within(FIRST_CONNECT_WAIT_MS, this.#connect());
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    // A drain delivers what was published. It may fail or never end when the server goes away meanwhile, and leave the
    // client dialling: only a close ends that.
    if (this.#isConnected && this.#connection !== undefined) {
      await within(DRAIN_LIMIT_MS, this.#connection.drain());
    }
    await this.#connection?.close().catch(() => undefined);
    this.#isConnected = false;
  }

  /** Ends when the server has passed on what was published before; never fails, and waits a second at most. */
  async flush(): Promise<void> {
    if (!this.#isConnected || this.#connection === undefined) return;
    await within(FLUSH_LIMIT_MS, this.#connection.flush());
  }

  /** Subscribes now or as soon as there is a connection. Answers a function that ends it. */
  subscribe(subscribe: Subscribe): () => void {
    this.#subscriptions.set(subscribe, this.#connection && subscribe(this.#connection));
    return () => {
      this.#subscriptions.get(subscribe)?.();
      this.#subscriptions.delete(subscribe);
    };
  }

  /** Runs after each connection that follows a loss. */
  onReconnect(run: () => void): void {
    this.#onReconnect.push(run);
  }

  async #connect(): Promise<void> {
    const connection = await this.#dial();
    if (connection === undefined) return;
    if (this.#stopping.signal.aborted) return connection.close();
    this.#connection = connection;
    this.#isConnected = true;
    for (const subscribe of this.#subscriptions.keys())
      this.#subscriptions.set(subscribe, subscribe(connection));
    void this.#watch(connection);
  }

  /** The first connection, whenever it comes. The client's own way of waiting for it could not be stopped. */
  async #dial(): Promise<NatsConnection | undefined> {
    const { signal } = this.#stopping;
    let hasFailed = false;
    while (!signal.aborted) {
      try {
        return await this.#open();
      } catch (error) {
        if (!hasFailed) this.logger.warn({ err: error }, 'the bus is away');
        hasFailed = true;
        await delay(REDIAL_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  #open(): Promise<NatsConnection> {
    return connect({
      ...natsAddress(this.config.NATS_URL),
      name: this.config.SERVICE_NAME,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      ignoreAuthErrorAbort: true,
      pingInterval: 5000,
      maxPingOut: 2,
    });
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        this.#isConnected = false;
        if (!this.#stopping.signal.aborted) this.logger.warn('the bus is away');
      } else if (status.type === 'reconnect') {
        this.#isConnected = true;
        this.logger.info('the bus is back');
        for (const run of this.#onReconnect) run();
      }
    }
  }
}

export function away(message: string, cause?: unknown): AppError {
  return new AppError('SERVICE_UNAVAILABLE', message, { retryAfterSecs: 1, cause });
}

/** Waits for the work, but not longer; how it ends is no matter here. */
async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  const stop = new AbortController();
  const limit = delay(limitMs, undefined, { signal: stop.signal });
  await Promise.race([work, limit]).catch(() => undefined);
  limit.catch(() => undefined);
  stop.abort();
}
