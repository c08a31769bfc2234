import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

const TICK_MS = 100;
const SLOTS = 512;

/** Something that the wheel runs periodically. */
export class WheelEntry {
  constructor(
    private readonly wheel: TimerWheel,
    readonly run: () => void,
    readonly periodTicks: number,
    public dueTick: number,
  ) {}

  /** Once is enough. */
  stop(): void {
    this.wheel.remove(this);
  }
}

/**
 * One timer for everything periodic of every connection: ten thousand streams cost one wake-up per tick and a visit
 * to each when it is due, not ten thousand timers.
 */
@Injectable()
export class TimerWheel implements OnApplicationShutdown {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<WheelEntry>());
  #tick = 0;
  #entries = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Runs every `periodMs`, first after one period, until it is stopped. */
  every(periodMs: number, run: () => void): WheelEntry {
    const periodTicks = Math.max(1, Math.round(periodMs / TICK_MS));
    const entry = new WheelEntry(this, run, periodTicks, this.#tick + periodTicks);
    this.#slotOf(entry).add(entry);
    this.#entries += 1;
    this.#timer ??= setInterval(() => this.#turn(), TICK_MS).unref();
    return entry;
  }

  /** For entries to stop themselves. */
  remove(entry: WheelEntry): void {
    if (!this.#slotOf(entry).delete(entry)) return;
    this.#entries -= 1;
    if (this.#entries === 0) this.#stop();
  }

  onApplicationShutdown(): void {
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #turn(): void {
    this.#tick += 1;
    const due = [...(this.#slots[this.#tick % SLOTS] as Set<WheelEntry>)];
    for (const entry of due) {
      const slot = this.#slotOf(entry);
      // An earlier entry of this tick may have ended this one; one whose period exceeds the wheel waits for its turn.
      if (entry.dueTick !== this.#tick || !slot.delete(entry)) continue;
      entry.dueTick += entry.periodTicks;
      this.#slotOf(entry).add(entry);
      entry.run();
    }
  }

  #slotOf({ dueTick }: WheelEntry): Set<WheelEntry> {
    return this.#slots[dueTick % SLOTS] as Set<WheelEntry>;
  }
}
