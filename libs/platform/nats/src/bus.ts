import {
  Inject,
  Injectable,
  Optional,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import {
  headers,
  NoRespondersError,
  RequestError,
  TimeoutError,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type PublishOptions,
} from '@nats-io/transport-node';
import { AppError, parseJson, rpcFailure, type HintSpec, type RpcSpec } from '@spooled/contracts';
import {
  activeTraceparent,
  inSpan,
  isTracing,
  LOGGER,
  Metrics,
  type Logger,
} from '@spooled/telemetry';
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { away, BusConnection } from './bus-connection.js';
import { NATS_CONFIG, type NatsConfig } from './nats.config.js';

const OPERATIONS = ['published', 'requested', 'answered'] as const;

/**
 * The bus between services, over one NATS connection. A bus that is away is a state, not an error: questions fail at
 * once with `SERVICE_UNAVAILABLE`, hints are dropped, subscriptions come back by themselves.
 */
@Injectable()
export class Bus implements OnModuleInit, OnApplicationShutdown {
  readonly #line: BusConnection;
  /** Tells this process's broadcasts from those of others. */
  readonly #id = randomUUID();
  readonly #operations;

  constructor(
    @Inject(NATS_CONFIG) private readonly config: NatsConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Optional() metrics?: Metrics,
  ) {
    this.#line = new BusConnection(config, logger);
    // Monitors know the traffic between processes by this name, whatever carries it.
    this.#operations = metrics?.counter({
      name: 'spooled_redis_operations_total',
      help: 'Messages given to the bus, by kind: published, requested, answered.',
      labelNames: ['operation'],
    });
    for (const operation of OPERATIONS) this.#operations?.inc({ operation }, 0);
  }

  get isConnected(): boolean {
    return this.#line.isConnected;
  }

  /** The connection itself, for the event log's streams. @throws AppError `SERVICE_UNAVAILABLE` when it is away. */
  get connection(): NatsConnection {
    return this.#line.present;
  }

  async onModuleInit(): Promise<void> {
    await this.#line.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#line.close();
  }

  /**
   * Asks another service. At most once: repeat only what is idempotent.
   * @throws AppError what the service answered, `PAYLOAD_TOO_LARGE` when the bus does not carry so much, or
   * `SERVICE_UNAVAILABLE` when nobody answered in time.
   */
  async request<I extends z.ZodType, O extends z.ZodType>(
    spec: RpcSpec<I, O>,
    input: z.input<I>,
  ): Promise<z.output<O>> {
    const question = JSON.stringify(spec.request.parse(input));
    this.#requireCarried(question);
    // What loops ask by the clock begins no trace of its own.
    const answer = await inSpan(
      `${spec.subject} request`,
      { kind: 'client', attributes: messaging(spec.subject, 'request'), needsParent: true },
      () => this.#ask(spec, question),
    );
    const envelope = parseJson(answer.string()) as { ok?: unknown; failure?: unknown };
    if (envelope.failure !== undefined) {
      const { code, message, extra, retryAfterSecs } = rpcFailure.parse(envelope.failure);
      throw new AppError(code, message, { extra, retryAfterSecs });
    }
    return spec.response.parse(envelope.ok);
  }

  async #ask({ subject, timeoutMs }: RpcSpec, question: string): Promise<Msg> {
    const trace = traceHeaders();
    const options = trace === undefined ? {} : { headers: trace };
    const timeout = Math.max(timeoutMs, this.config.BUS_MIN_WAIT_MS ?? 0);
    try {
      const asked = this.connection.request(subject, question, { timeout, ...options });
      this.#count('requested');
      return await asked;
    } catch (error) {
      if (error instanceof AppError) throw error;
      if (
        error instanceof TimeoutError ||
        error instanceof NoRespondersError ||
        error instanceof RequestError
      ) {
        throw away(`${subject} did not answer.`, error);
      }
      throw away('The bus is not available.', error);
    }
  }

  /** Answers a question; the instances of a service share the load. */
  respond<I extends z.ZodType, O extends z.ZodType>(
    spec: RpcSpec<I, O>,
    answer: (input: z.output<I>) => Promise<z.input<O>>,
  ): void {
    this.respondText(spec, async (input) =>
      JSON.stringify(spec.response.parse(await answer(input)) ?? null),
    );
  }

  /** The same with an answer that is JSON already, and is checked by who asked. */
  respondText<I extends z.ZodType, O extends z.ZodType>(
    spec: RpcSpec<I, O>,
    answer: (input: z.output<I>) => Promise<string>,
  ): void {
    const handle = async (message: Msg): Promise<void> => {
      let envelope: string;
      try {
        const output = await inSpan(
          `${spec.subject} process`,
          {
            kind: 'server',
            parent: message.headers?.get(TRACEPARENT) ?? null,
            attributes: messaging(spec.subject, 'process'),
            needsParent: true,
          },
          () => answer(spec.request.parse(parseJson(message.string()))),
        );
        envelope = `{"ok":${output}}`;
      } catch (error) {
        envelope = JSON.stringify({ failure: this.#failure(spec.subject, error) });
      }
      this.#reply(message, spec.subject, envelope);
    };
    this.#subscribe(spec.subject, (message) => void handle(message), spec.subject);
  }

  /** Tells whoever listens; lost when the bus is away. */
  hint<P extends z.ZodType>(spec: HintSpec<P>, organizationId: string, payload: z.input<P>): void {
    if (!this.isConnected) return;
    this.publish(`${spec.subject}.${organizationId}`, JSON.stringify(payload));
  }

  /**
   * Ends when the server has passed on what was published before: this process has heard its own hints by then, and
   * those of others are on their way. Never fails, and waits a second at most: a hint may be lost anyway.
   */
  async flush(): Promise<void> {
    await this.#line.flush();
  }

  /** A plain publish. @throws AppError `SERVICE_UNAVAILABLE` when the bus is away. */
  publish(subject: string, payload: string, options?: PublishOptions): void {
    this.connection.publish(subject, payload, options);
    this.#count('published');
  }

  /** Hears every instance's hints, this one's included. Those of organizations that are not `isWanted` are not read. */
  onHint<P extends z.ZodType>(
    spec: HintSpec<P>,
    hear: (payload: z.output<P>, organizationId: string) => void,
    isWanted: (organizationId: string) => boolean = () => true,
  ): void {
    this.subscribe(`${spec.subject}.*`, (message) => {
      const organizationId = message.subject.slice(spec.subject.length + 1);
      if (!isWanted(organizationId)) return;
      const payload = this.#understand(spec, message);
      if (payload !== undefined) hear(payload, organizationId);
    });
  }

  /** Tells every other process what concerns no single organization. Lost, and answered `false`, without a bus. */
  broadcast<P extends z.ZodType>(spec: HintSpec<P>, payload: z.input<P>): boolean {
    if (!this.isConnected) return false;
    this.publish(`${spec.subject}.${this.#id}`, JSON.stringify(payload));
    return true;
  }

  /** Hears the other processes' broadcasts, never this one's own. Each process has one name as long as it lives. */
  onBroadcast<P extends z.ZodType>(
    spec: HintSpec<P>,
    hear: (payload: z.output<P>, sender: string) => void,
  ): void {
    this.subscribe(`${spec.subject}.*`, (message) => {
      const sender = message.subject.slice(spec.subject.length + 1);
      if (sender === this.#id) return;
      const payload = this.#understand(spec, message);
      if (payload !== undefined) hear(payload, sender);
    });
  }

  /** A plain subscription. Answers a function that ends it. */
  subscribe(subject: string, hear: (message: Msg) => void): () => void {
    return this.#subscribe(subject, (message) => this.#guard(hear, message));
  }

  #subscribe(subject: string, hear: (message: Msg) => void, queue?: string): () => void {
    return this.#line.subscribe((connection) => {
      const subscription = connection.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, message) => {
          if (error === null) hear(message);
        },
      });
      return () => subscription.unsubscribe();
    });
  }

  #understand<P extends z.ZodType>(spec: HintSpec<P>, message: Msg): z.output<P> | undefined {
    const payload = spec.payload.safeParse(message.json());
    if (payload.success) return payload.data;
    this.logger.warn({ subject: message.subject }, 'a hint was not understood');
    return undefined;
  }

  /** The client ends its connection when a callback throws: one bad message must not cost all subscriptions. */
  #guard(hear: (message: Msg) => void, message: Msg): void {
    try {
      hear(message);
    } catch (error) {
      this.logger.warn({ subject: message.subject, err: error }, 'a message was not understood');
    }
  }

  #reply(message: Msg, subject: string, envelope: string): void {
    try {
      message.respond(envelope);
      this.#count('answered');
    } catch (error) {
      // The connection closed meanwhile, or the answer is larger than the bus carries: the caller's deadline tells it.
      this.logger.warn({ subject, err: error }, 'an answer could not be sent');
    }
  }

  /** Runs after each connection that follows a loss: what was missed must be fetched. */
  onReconnect(run: () => void): void {
    this.#line.onReconnect(run);
  }

  /** What is larger would look like a bus that is away, and be asked again for ever. */
  #requireCarried(question: string): void {
    const maxBytes = this.#line.maxPayload;
    // A character takes three bytes at most: nearly no question has to be counted.
    if (question.length * 3 <= maxBytes) return;
    const bytes = Buffer.byteLength(question);
    if (bytes <= maxBytes) return;
    throw new AppError(
      'PAYLOAD_TOO_LARGE',
      `A message of ${bytes} bytes is more than the bus carries.`,
    );
  }

  #count(operation: (typeof OPERATIONS)[number]): void {
    this.#operations?.inc({ operation });
  }

  #failure(subject: string, error: unknown): z.input<typeof rpcFailure> {
    if (error instanceof AppError) {
      const { code, message, extra, retryAfterSecs } = error;
      return { code, message, extra, retryAfterSecs };
    }
    this.logger.error({ subject, err: error }, 'a question could not be answered');
    return { code: 'INTERNAL_ERROR', message: 'The service failed to answer.' };
  }
}

/** Name of the header that carries the W3C trace context between services. */
const TRACEPARENT = 'traceparent';

function traceHeaders(): MsgHdrs | undefined {
  const traceparent = isTracing() ? activeTraceparent() : null;
  if (traceparent === null) return undefined;
  const all = headers();
  all.set(TRACEPARENT, traceparent);
  return all;
}

function messaging(subject: string, operation: string) {
  return {
    'messaging.system': 'nats',
    'messaging.destination.name': subject,
    'messaging.operation.name': operation,
  };
}
