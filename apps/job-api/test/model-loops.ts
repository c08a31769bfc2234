import type { Loop } from '@spooled/runtime';
import { eventually } from '@spooled/testing';
import { Loops } from '../src/maintenance/loops.js';
import { storedJobs, type StoredJob } from './model-invariants.js';
import type { Tenant } from './setup.js';

/** The background loops of the rooms in this process: a test asks for a step now instead of waiting for the beat. */
export class LoopBells {
  readonly #loops = new Map<string, Loop[]>();

  /** Knows the loops of every room that starts from now on. */
  static watch(): LoopBells {
    const bells = new LoopBells();
    const { add } = Loops.prototype;
    Loops.prototype.add = function (this: Loops, name, step) {
      const loop = add.call(this, name, step);
      bells.#loops.set(name, [...(bells.#loops.get(name) ?? []), loop]);
      return loop;
    };
    return bells;
  }

  /** Wakes the loop in every room; one that was stopped stays asleep. */
  ring(name: string): void {
    const loops = this.#loops.get(name);
    if (loops === undefined) throw new Error(`no loop is called ${name}`);
    for (const loop of loops) loop.wake();
  }

  /** Wakes it until the job is as it should be: a loop passes by rows that others hold, and fails without a database. */
  async ringUntil(
    name: string,
    tenant: Tenant,
    id: string,
    isDone: (job: StoredJob) => boolean,
  ): Promise<void> {
    await eventually(async () => {
      this.ring(name);
      return (await storedJobs(tenant)).some((job) => job.id === id && isDone(job));
    });
  }
}
