import { SpooledError, type SpooledClient, type SpooledEvent } from '@spooled/sdk';

import type { LiveFeed } from './live-feed.js';
import { Store } from './store.js';

/** Something that is read once and then kept true by events. */
export interface Resource<T> {
  /** Equal keys are the same thing: `job:<id>`. Whatever the answer depends on is in it. */
  readonly key: string;
  readonly load: (client: SpooledClient, signal: AbortSignal) => Promise<T>;
  /**
   * What the events of one frame make of it; the same object when they change nothing of it. An event may be in the
   * answer already, so doing it twice must be as good as once. Left out: only `change` and `reload` change it.
   */
  readonly apply?: (value: T, events: readonly SpooledEvent[]) => T;
}

export type ResourceState<T> =
  | { readonly status: 'loading' }
  | { readonly status: 'failed'; readonly error: SpooledError }
  | { readonly status: 'ready'; readonly value: T };

/** What nobody looks at is kept true for so long, so that going back costs no request. What events do not tell of is not. */
const KEEP_MS = 60_000;
/** A page is better shown without the stream than not at all. */
const WAIT_FOR_STREAM_MS = 2000;

/** Everything that pages have read, each thing once. */
export class Resources {
  readonly #entries = new Map<string, Entry<unknown>>();

  constructor(
    private readonly client: SpooledClient,
    private readonly feed: LiveFeed,
  ) {
    feed.listen((events) => {
      const hasGap = events.some(({ type }) => type === 'gap');
      for (const entry of this.#entries.values()) {
        if (hasGap) void entry.load();
        else entry.apply(events);
      }
    });
  }

  entry<T>(resource: Resource<T>): Entry<T> {
    const known = this.#entries.get(resource.key) as Entry<T> | undefined;
    if (known !== undefined) return known;
    const entry = new Entry(resource, this.client, this.feed, () =>
      this.#entries.delete(resource.key),
    );
    this.#entries.set(resource.key, entry as Entry<unknown>);
    return entry;
  }

  /** Changes what is known under the key, if anything is: for what an answer says and no event tells. */
  change<T>(key: string, next: (value: T) => T): void {
    (this.#entries.get(key) as Entry<T> | undefined)?.change(next);
  }

  close(): void {
    for (const entry of [...this.#entries.values()]) entry.forget();
  }
}

export class Entry<T> {
  readonly store = new Store<ResourceState<T>>({ status: 'loading' });
  #watchers = 0;
  #loading: { readonly stop: AbortController; readonly missed: SpooledEvent[] } | undefined;
  #forgetting: ReturnType<typeof setTimeout> | undefined;
  #offStream: (() => void) | undefined;

  constructor(
    private readonly resource: Resource<T>,
    private readonly client: SpooledClient,
    private readonly feed: LiveFeed,
    private readonly onForgotten: () => void,
  ) {}

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    clearTimeout(this.#forgetting);
    this.#watchers += 1;
    const { status } = this.store.get();
    if (this.#loading === undefined && status !== 'ready') void this.load();
    const off = this.store.subscribe(listener);
    return () => {
      off();
      this.#watchers -= 1;
      const keepMs = this.resource.apply === undefined ? 0 : KEEP_MS;
      if (this.#watchers === 0) this.#forgetting = setTimeout(() => this.forget(), keepMs);
    };
  };

  /** Reads it (again). What is known stays shown meanwhile. */
  readonly load = async (): Promise<void> => {
    this.#loading?.stop.abort();
    const loading = { stop: new AbortController(), missed: [] as SpooledEvent[] };
    this.#loading = loading;
    const { signal } = loading.stop;
    try {
      // What happens after the stream is open is told by it, so that together they miss nothing.
      await this.#streamOpen(signal);
      const isFollowed = this.feed.isOpen;
      const value = await this.resource.load(this.client, signal);
      if (signal.aborted) return;
      this.#loading = undefined;
      const applied = this.resource.apply?.(value, loading.missed) ?? value;
      this.store.set({ status: 'ready', value: applied });
      if (!isFollowed) this.#loadWhenOpen();
    } catch (error) {
      if (signal.aborted) return;
      this.#loading = undefined;
      if (!(error instanceof SpooledError)) throw error;
      this.store.set({ status: 'failed', error });
    }
  };

  apply(events: readonly SpooledEvent[]): void {
    if (this.#loading !== undefined) this.#loading.missed.push(...events);
    const state = this.store.get();
    if (state.status !== 'ready' || this.resource.apply === undefined) return;
    this.#show(this.resource.apply(state.value, events));
  }

  readonly change = (next: (value: T) => T): void => {
    const state = this.store.get();
    if (state.status === 'ready') this.#show(next(state.value));
  };

  forget(): void {
    clearTimeout(this.#forgetting);
    this.#offStream?.();
    this.#loading?.stop.abort();
    this.#loading = undefined;
    this.onForgotten();
  }

  #show(value: T): void {
    const state = this.store.get();
    if (state.status === 'ready' && Object.is(state.value, value)) return;
    this.store.set({ status: 'ready', value });
  }

  #streamOpen(signal: AbortSignal): Promise<void> {
    if (this.feed.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        off();
        clearTimeout(timer);
        resolve();
      };
      const off = this.feed.connection.subscribe(() => {
        if (this.feed.connection.get().state !== 'connecting') done();
      });
      const timer = setTimeout(done, WAIT_FOR_STREAM_MS);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** It was read while nothing was followed: once something is, what happened in between must be read. */
  #loadWhenOpen(): void {
    this.#offStream ??= this.feed.connection.subscribe(() => {
      if (!this.feed.isOpen) return;
      this.#offStream?.();
      this.#offStream = undefined;
      void this.load();
    });
  }
}
