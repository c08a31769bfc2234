import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

const TICK_MS = 100;
const SLOTS = 512;

interface Entry {
  readonly run: () => void;
  readonly periodTicks: number;
  dueTick: number;
}

/**
 * One timer for everything periodic of every connection: ten thousand streams cost one wake-up per tick and a visit
 * to each when it is due, not ten thousand timers.
 */
@Injectable()
export class TimerWheel implements OnApplicationShutdown {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Entry>());
  #tick = 0;
  #entries = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Runs every `periodMs`, first after one period. Answers a function that ends it. */
  every(periodMs: number, run: () => void): () => void {
    const periodTicks = Math.max(1, Math.round(periodMs / TICK_MS));
    const entry: Entry = { run, periodTicks, dueTick: this.#tick + periodTicks };
    this.#slotOf(entry).add(entry);
    this.#entries += 1;
    this.#timer ??= setInterval(() => this.#turn(), TICK_MS).unref();
    return () => {
      if (!this.#slotOf(entry).delete(entry)) return;
      this.#entries -= 1;
      if (this.#entries === 0) this.#stop();
    };
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
    const due = [...(this.#slots[this.#tick % SLOTS] as Set<Entry>)];
    for (const entry of due) {
      const slot = this.#slotOf(entry);
      // An earlier entry of this tick may have ended this one; one whose period exceeds the wheel waits for its turn.
      if (entry.dueTick !== this.#tick || !slot.delete(entry)) continue;
      entry.dueTick += entry.periodTicks;
      this.#slotOf(entry).add(entry);
      entry.run();
    }
  }

  #slotOf({ dueTick }: Entry): Set<Entry> {
    return this.#slots[dueTick % SLOTS] as Set<Entry>;
  }
}
