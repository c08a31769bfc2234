import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import { Readiness } from '@spooled/runtime';
import { setTimeout as delay } from 'node:timers/promises';
import { REALTIME_CONFIG, type RealtimeConfig } from '../config.js';
import type { CloseReason } from './outlet.js';
import { TimerWheel, type WheelEntry } from './timer-wheel.js';

/** An open WebSocket, SSE or gRPC stream, as those see it who care for all of them. */
export interface Stream {
  close(reason: CloseReason): void;
  /** At once, without another word. */
  destroy(): void;
}

/** A stop closes a stream each so many milliseconds, so that clients come back one after the other. */
const DRAIN_STEP_MS = 5;
/** Or all of them in this share of the time it has, when they are many: the last ones need the rest to go. */
const DRAIN_SHARE = 0.8;
const DRAIN_TICK_MS = 20;
/** Share of the maximum age that is random: what was opened together must not come back together. */
const AGE_JITTER = 0.2;

/** Every open stream of this process: closes them when they are old, and when the process stops. */
@Injectable()
export class Streams implements OnModuleDestroy {
  /** Each with what ages it, unless streams may grow old. */
  readonly #open = new Map<Stream, WheelEntry | undefined>();
  #isDraining = false;

  constructor(
    @Inject(REALTIME_CONFIG) private readonly config: RealtimeConfig,
    private readonly wheel: TimerWheel,
    private readonly readiness: Readiness,
  ) {}

  get size(): number {
    return this.#open.size;
  }

  /** @throws AppError `SERVICE_UNAVAILABLE` while draining. */
  refuseWhileDraining(): void {
    if (this.#isDraining) {
      throw new AppError('SERVICE_UNAVAILABLE', 'The server is stopping.', { retryAfterSecs: 1 });
    }
  }

  add(stream: Stream): void {
    this.#open.set(stream, this.#age(stream));
    if (this.#isDraining) stream.close('draining');
  }

  remove(stream: Stream): void {
    this.#open.get(stream)?.stop();
    this.#open.delete(stream);
  }

  /** No client may come to rely on a stream that lasts: a deploy, which ends them all, is nothing new to it. */
  #age(stream: Stream): WheelEntry | undefined {
    const { REALTIME_MAX_STREAM_AGE_MS: maxAgeMs } = this.config;
    if (maxAgeMs === 0) return undefined;
    const jitter = 1 + AGE_JITTER * (2 * Math.random() - 1);
    return this.wheel.every(maxAgeMs * jitter, () => stream.close('aged'));
  }

  /** Before the HTTP server stops, which waits for its connections: ends every stream within a bounded time. */
  async onModuleDestroy(): Promise<void> {
    this.#isDraining = true;
    this.readiness.drain();
    const { REALTIME_DRAIN_MS: limitMs } = this.config;
    const deadline = performance.now() + limitMs;
    await this.#closeEvenly(limitMs * DRAIN_SHARE);
    while (this.#open.size > 0 && performance.now() < deadline) await delay(DRAIN_TICK_MS);
    for (const stream of [...this.#open.keys()]) stream.destroy();
  }

  async #closeEvenly(limitMs: number): Promise<void> {
    const streams = [...this.#open.keys()];
    const spreadMs = Math.min(streams.length * DRAIN_STEP_MS, limitMs);
    const beganAt = performance.now();
    for (let closed = 0; closed < streams.length;) {
      await delay(DRAIN_TICK_MS);
      const due = (streams.length * (performance.now() - beganAt)) / spreadMs;
      for (const stream of streams.slice(closed, due)) stream.close('draining');
      closed = Math.floor(due);
    }
  }
}
