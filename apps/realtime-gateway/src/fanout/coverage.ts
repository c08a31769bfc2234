import type { RealtimeEvent } from '@spooled/contracts';
import type { Selector } from './selector.js';

/** Ranges remembered per connection: one is added each time its subscriptions change between two events. */
const MAX_RANGES = 256;

interface Range {
  readonly from: number;
  to: number;
  readonly selector: Selector;
}

/**
 * Which events a connection has been through under which selector, so that a replay on the same connection delivers
 * nothing twice. A range `(from, to]` means: every event in it that the selector matches was delivered.
 */
export class Coverage {
  readonly #ranges: Range[] = [];
  #forgottenTo = 0;

  /** Up to this sequence it is not known any more what was delivered. */
  get forgottenTo(): number {
    return this.#forgottenTo;
  }

  add(from: number, to: number, selector: Selector): void {
    if (to <= from) return;
    const last = this.#ranges.at(-1);
    if (last?.to === from && last.selector.key === selector.key) {
      last.to = to;
      return;
    }
    this.#ranges.push({ from, to, selector });
    if (this.#ranges.length <= MAX_RANGES) return;
    const [forgotten] = this.#ranges.splice(0, 1);
    this.#forgottenTo = Math.max(this.#forgottenTo, (forgotten as Range).to);
  }

  has(seq: number, event: RealtimeEvent): boolean {
    return this.#ranges.some(
      ({ from, to, selector }) => seq > from && seq <= to && selector.matches(event),
    );
  }
}
