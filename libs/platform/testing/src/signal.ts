import { eventually } from './eventually.js';

/** A point that code under test passes and a test waits for, instead of sleeping. */
export class Signal<T = void> {
  private readonly values: T[] = [];

  fire(value: T): void {
    this.values.push(value);
  }

  /** How often it fired and nobody took it yet. */
  get waiting(): number {
    return this.values.length;
  }

  /** The oldest value not yet taken. @throws Error when none comes within `timeoutMs`. */
  async next(timeoutMs?: number): Promise<T> {
    await eventually(() => this.values.length > 0, { timeoutMs, intervalMs: 1 });
    return this.values.shift() as T;
  }
}
