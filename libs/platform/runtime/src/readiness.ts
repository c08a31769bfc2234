import { Injectable } from '@nestjs/common';

/** How long one answer of a check is used again, in milliseconds: probes must not load what they probe. */
const FRESH_MS = 1000;

interface Check {
  readonly run: () => Promise<boolean>;
  answer: Promise<boolean>;
  askedAt: number;
}

/** What the process needs to do its work. Rooms add checks; probes and `/health` read them. */
@Injectable()
export class Readiness {
  readonly #checks = new Map<string, Check[]>();
  #isDraining = false;

  add(name: string, run: () => Promise<boolean>): void {
    const check = { run, answer: Promise.resolve(false), askedAt: 0 };
    this.#checks.set(name, [...(this.#checks.get(name) ?? []), check]);
  }

  /** From now on the process is not ready: it finishes what it has and takes nothing new. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Whether every check of this name passes; `true` when there is none. */
  async holds(name: string): Promise<boolean> {
    const answers = await Promise.all((this.#checks.get(name) ?? []).map(ask));
    return answers.every(Boolean);
  }

  async isReady(): Promise<boolean> {
    if (this.#isDraining) return false;
    const answers = await Promise.all([...this.#checks.keys()].map((name) => this.holds(name)));
    return answers.every(Boolean);
  }
}

async function ask(check: Check): Promise<boolean> {
  const now = Date.now();
  if (now - check.askedAt >= FRESH_MS) {
    check.askedAt = now;
    check.answer = check.run().catch(() => false);
  }
  return check.answer;
}
