import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { AppError, MAX_HELD_PER_TELL, streamsHeld, type StreamsHeld } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { REALTIME_CONFIG, type RealtimeConfig } from '../config.js';
import { Pace } from './pace.js';
import { RealtimeMetrics } from './realtime-metrics.js';
import { TimerWheel, type WheelEntry } from './timer-wheel.js';
import type { Transport } from './transport.js';

export type StreamKind = Transport['name'];

/** Changes go out at once, and at most so often, in milliseconds. */
const TELL_GAP_MS = 20;
/** Everything is told again and again, in milliseconds: what was lost is made good, and others know that we live. */
const TELL_ALL_EVERY_MS = 2000;
/** What is not told again counts no longer, in milliseconds: so a gateway that died gives its places back. */
const FORGET_AFTER_MS = 5000;
const RETRY_AFTER_SECS = 5;

interface Told {
  readonly count: number;
  readonly at: number;
}

/**
 * The places for streams that organizations have, over all gateways: each counts its own, tells the others, and adds what
 * they tell (docs/adr/0016). While the bus is away each counts alone.
 */
@Injectable()
export class Places implements OnModuleInit, BeforeApplicationShutdown {
  /** By kind and organization. */
  readonly #own = new Map<string, number>();
  /** The same of other gateways, by gateway. */
  readonly #others = new Map<string, Map<string, Told>>();
  readonly #changed = new Set<string>();
  readonly #pace = new Pace(TELL_GAP_MS, () => this.#tellChanged());
  #telling: WheelEntry | undefined;

  constructor(
    @Inject(REALTIME_CONFIG) private readonly config: RealtimeConfig,
    private readonly bus: Bus,
    private readonly wheel: TimerWheel,
    private readonly metrics: RealtimeMetrics,
  ) {}

  onModuleInit(): void {
    this.bus.onBroadcast(streamsHeld, (told, gateway) => this.#hear(told, gateway));
    this.bus.onReconnect(() => this.#tell([...this.#own.keys()]));
    this.#telling = this.wheel.every(TELL_ALL_EVERY_MS, () => {
      this.#tell([...this.#own.keys()]);
      this.#forgetSilent();
    });
  }

  /** The streams are gone by now. */
  beforeApplicationShutdown(): void {
    this.#telling?.stop();
    this.#pace.stop();
    this.#tellChanged();
  }

  /**
   * Takes one of the organization's places, which must be given back, once.
   * @throws AppError `RATE_LIMIT_EXCEEDED` when there is none.
   */
  take(kind: StreamKind, organizationId: string): void {
    const name = nameOf(kind, organizationId);
    const limit = this.#limitOf(kind);
    if ((this.#own.get(name) ?? 0) + this.#takenElsewhere(name) >= limit) throw tooMany(limit);
    this.#add(name, 1);
    this.metrics.connections.inc({ transport: kind });
  }

  giveBack(kind: StreamKind, organizationId: string): void {
    this.#add(nameOf(kind, organizationId), -1);
    this.metrics.connections.dec({ transport: kind });
  }

  #limitOf(kind: StreamKind): number {
    const { config } = this;
    if (kind === 'ws') return config.REALTIME_MAX_WS_PER_ORGANIZATION;
    if (kind === 'sse') return config.REALTIME_MAX_SSE_PER_ORGANIZATION;
    return config.REALTIME_MAX_GRPC_PER_ORGANIZATION;
  }

  #add(name: string, change: 1 | -1): void {
    const count = (this.#own.get(name) ?? 0) + change;
    if (count === 0) this.#own.delete(name);
    else this.#own.set(name, count);
    this.#changed.add(name);
    this.#pace.ask();
  }

  #takenElsewhere(name: string): number {
    const since = performance.now() - FORGET_AFTER_MS;
    let sum = 0;
    for (const { count, at } of this.#others.get(name)?.values() ?? [])
      if (at > since) sum += count;
    return sum;
  }

  #tellChanged(): void {
    const names = [...this.#changed];
    this.#changed.clear();
    this.#tell(names);
  }

  #tell(names: readonly string[]): void {
    const held = names.map((name): [string, number] => [name, this.#own.get(name) ?? 0]);
    for (let from = 0; from < held.length; from += MAX_HELD_PER_TELL) {
      this.bus.broadcast(streamsHeld, { held: held.slice(from, from + MAX_HELD_PER_TELL) });
    }
  }

  #hear({ held }: StreamsHeld, gateway: string): void {
    const at = performance.now();
    for (const [name, count] of held) {
      const told = this.#others.get(name) ?? new Map<string, Told>();
      this.#others.set(name, told.set(gateway, { count, at }));
    }
  }

  #forgetSilent(): void {
    const since = performance.now() - FORGET_AFTER_MS;
    for (const [name, told] of this.#others) {
      for (const [gateway, { count, at }] of told) {
        if (count === 0 || at <= since) told.delete(gateway);
      }
      if (told.size === 0) this.#others.delete(name);
    }
  }
}

function nameOf(kind: StreamKind, organizationId: string): string {
  return `${kind} ${organizationId}`;
}

function tooMany(limit: number): AppError {
  return new AppError(
    'RATE_LIMIT_EXCEEDED',
    `The organization has ${limit} open streams already.`,
    {
      retryAfterSecs: RETRY_AFTER_SECS,
      extra: {
        retry_after_secs: RETRY_AFTER_SECS,
        limit,
        remaining: 0,
        reset_at: new Date(Date.now() + RETRY_AFTER_SECS * 1000).toISOString(),
      },
    },
  );
}
