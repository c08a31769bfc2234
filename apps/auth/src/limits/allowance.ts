import { refusal, type FixedWindows, type SharedLimits } from '@spooled/http';

export interface AllowedIn {
  readonly requests: number;
  readonly windowMs: number;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

/** What a name (an address, a hash) may ask of one kind of thing, in each of several windows. */
export class Allowance {
  readonly #windows: readonly (AllowedIn & { readonly taken: FixedWindows })[];

  constructor(limits: SharedLimits, kind: string, windows: readonly AllowedIn[]) {
    this.#windows = windows.map((window) => ({
      ...window,
      taken: limits.fixedWindows(`${kind}/${window.windowMs}`),
    }));
  }

  /** @throws AppError `RATE_LIMIT_EXCEEDED`; what one window refuses is not counted in the next. */
  take(name: string): void {
    for (const { taken, requests, windowMs } of this.#windows) {
      const decision = taken.take(name, requests, windowMs);
      if (!decision.isAllowed) throw refusal(decision);
    }
  }
}
