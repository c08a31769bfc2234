import { Emitter } from '../emitter.js';
import type { SpooledError } from '../errors.js';
import type { ConnectionState, EventFeed } from './feed.js';
import {
  isSameFilter,
  type EventByName,
  type EventFilter,
  type EventName,
  type SpooledEvent,
} from './events.js';

/** What the published clients call a filter. */
export interface SubscriptionFilter {
  readonly queueName?: string;
  readonly jobId?: string;
  /** Of the events about workers, only those about this one. */
  readonly workerId?: string;
}

/** A subscription that the credential is not good for; the others go on. */
export interface SubscriptionRefusal {
  readonly filter: SubscriptionFilter;
  readonly error: SpooledError;
}

/** The published clients' own name of `job.status`. */
type Alias = 'job.status_changed';
type DataOf<N extends EventName | Alias> = EventByName<
  N extends Alias ? 'job.status' : Exclude<N, Alias>
>['data'];

type Handled = { [N in EventName]: EventByName<N>['data'] } & {
  event: SpooledEvent;
  state: ConnectionState;
  refusal: SubscriptionRefusal;
  end: Error;
};

/** Makes a feed that starts after a cursor. */
export type OpenFeed = (
  filters: readonly EventFilter[],
  since: string | undefined,
  signal: AbortSignal,
) => EventFeed;

/** Events by handler instead of by iteration, with subscriptions that come and go. Without any, everything arrives. */
export class SpooledRealtime {
  private readonly emitter = new Emitter<Handled>();
  private readonly filters: EventFilter[] = [];
  private running: { readonly feed: EventFeed; readonly stop: AbortController } | undefined;
  private cursor: string | undefined;
  private lastState: ConnectionState = 'stopped';

  constructor(
    private readonly openFeed: OpenFeed,
    since: string | undefined,
  ) {
    this.cursor = since;
  }

  /** Calls `handler` with the data of each event of that name; returns what takes it off again. */
  on<N extends EventName | Alias>(name: N, handler: (data: DataOf<N>) => void): () => void {
    return this.emitter.on(canonical(name), handler as (data: unknown) => void);
  }

  off<N extends EventName | Alias>(name: N, handler: (data: DataOf<N>) => void): void {
    this.emitter.off(canonical(name), handler as (data: unknown) => void);
  }

  /** Every event, whole. */
  onEvent(handler: (event: SpooledEvent) => void): () => void {
    return this.emitter.on('event', handler);
  }

  onStateChange(handler: (state: ConnectionState) => void): () => void {
    return this.emitter.on('state', handler);
  }

  /**
   * A subscription was refused that was there before the connection, or was good for the one before: it is asked for again
   * with the next one, and until then nothing comes for it.
   */
  onRefusal(handler: (refusal: SubscriptionRefusal) => void): () => void {
    return this.emitter.on('refusal', handler);
  }

  /** The server has refused for good; there will be no more events. */
  onEnd(handler: (error: Error) => void): () => void {
    return this.emitter.on('end', handler);
  }

  getState(): ConnectionState {
    return this.running?.feed.state ?? this.lastState;
  }

  /** Resolves when events arrive. After a `disconnect` it goes on where that was. @throws SpooledError when refused. */
  connect(): Promise<void> {
    if (this.running !== undefined) return Promise.resolve();
    const stop = new AbortController();
    const feed = this.openFeed(this.filters, this.cursor, stop.signal);
    this.running = { feed, stop };
    feed.onRefusal(({ filter: { queue, jobId, workerId }, error }) => {
      const filter = { queueName: queue, jobId, workerId };
      this.emitter.emit('refusal', { filter, error });
    });
    return new Promise((resolve, reject) => {
      feed.onStateChange((state) => {
        this.lastState = state;
        if (state === 'live') {
          // Before any event: what comes after this moment is missed by no later connection.
          this.cursor ??= feed.cursor;
          resolve();
        }
        this.emitter.emit('state', state);
      });
      void this.run(feed, stop).then(resolve, (error: Error) => {
        reject(error);
        this.emitter.emit('end', error);
      });
    });
  }

  disconnect(): void {
    this.running?.stop.abort();
    this.running = undefined;
  }

  /**
   * Without a connection it resolves at once, else when the subscription holds. May be done twice, and is then undone twice.
   * @throws SpooledError when it is refused, such as a queue that the key may not see; the others go on.
   */
  async subscribe(subscription: SubscriptionFilter): Promise<void> {
    const filter = filterOf(subscription);
    this.filters.push(filter);
    try {
      await this.running?.feed.add(filter);
    } catch (error) {
      this.filters.splice(this.filters.indexOf(filter), 1);
      throw error;
    }
  }

  async unsubscribe(subscription: SubscriptionFilter): Promise<void> {
    const filter = filterOf(subscription);
    const index = this.filters.findIndex((each) => isSameFilter(each, filter));
    if (index === -1) return;
    this.filters.splice(index, 1);
    this.running?.feed.remove(filter);
  }

  private async run(feed: EventFeed, stop: AbortController): Promise<void> {
    try {
      for await (const event of feed) {
        if (stop.signal.aborted) break;
        this.cursor = event.type === 'gap' ? feed.cursor : (event.id ?? this.cursor);
        this.emitter.emit('event', event);
        this.emitter.emit(event.type, event.data);
      }
    } finally {
      if (this.running?.feed === feed) this.running = undefined;
    }
  }
}

function filterOf({ queueName, jobId, workerId }: SubscriptionFilter): EventFilter {
  return { queue: queueName, jobId, workerId };
}

function canonical(name: EventName | Alias): EventName {
  return name === 'job.status_changed' ? 'job.status' : name;
}
