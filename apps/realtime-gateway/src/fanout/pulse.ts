import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Message } from './message.js';
import { Streams } from './streams.js';
import { TimerWheel } from './timer-wheel.js';

const HEALTH_PERIOD_MS = 5000;
/** Streams whose turn comes together share one message, and so one frame. */
const SHARED_MS = 100;

/** The messages that tell a client that we are alive and well. */
@Injectable()
export class Pulse implements OnApplicationBootstrap {
  #isDatabaseUp = true;
  #hasAsked = false;
  #ping: { readonly message: Message; readonly at: number } | undefined;
  #health: { readonly message: Message; readonly at: number } | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly streams: Streams,
    private readonly wheel: TimerWheel,
  ) {}

  onApplicationBootstrap(): void {
    this.wheel.every(HEALTH_PERIOD_MS, () => {
      if (this.streams.size > 0) void this.#ask();
    });
  }

  ping(): Message {
    const now = Date.now();
    if (this.#ping === undefined || now - this.#ping.at >= SHARED_MS) {
      const timestamp = new Date(now).toISOString();
      this.#ping = { at: now, message: new Message({ type: 'Ping', data: { timestamp } }) };
    }
    return this.#ping.message;
  }

  health(): Message {
    const now = Date.now();
    if (!this.#hasAsked) void this.#ask();
    if (this.#health === undefined || now - this.#health.at >= SHARED_MS) {
      const data = {
        database: this.#isDatabaseUp,
        redis: this.bus.isConnected,
        timestamp: new Date(now).toISOString(),
      };
      this.#health = { at: now, message: new Message({ type: 'SystemHealth', data }) };
    }
    return this.#health.message;
  }

  /** An unanswered question means that the database cannot be reached from here. */
  async #ask(): Promise<void> {
    this.#hasAsked = true;
    this.#isDatabaseUp = await this.bus.request(jobsRpc.health, {}).then(
      ({ database }) => database,
      () => false,
    );
  }
}
