/** A period of silence is looked for this often. */
export const CHECKS_PER_SILENCE = 3;

/** Tells when nothing was written for a whole period, from a count of what was written. */
export class Silence {
  #checks = 0;
  #seen = 0;

  /** To be asked `CHECKS_PER_SILENCE` times a period. */
  isOver(written: number): boolean {
    this.#checks = written === this.#seen ? this.#checks + 1 : 0;
    this.#seen = written;
    return this.#checks >= CHECKS_PER_SILENCE;
  }

  /** Another period begins. */
  restart(written: number): void {
    this.#checks = 0;
    this.#seen = written;
  }

  /** What was written up to here does not break the silence. */
  overlook(written: number): void {
    this.#seen = written;
  }
}
