import { setTimeout as delay } from 'node:timers/promises';

/** What the infrastructure tells a person; pino's logger is one. */
export interface InfrastructureLog {
  info(message: string): void;
  warn(message: string): void;
}

/** A child process that can die: PostgresServer and NatsServer of @spooled/embedded. */
export interface Supervised {
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null } | undefined>;
}

const firstDelayMs = 100;
const longestDelayMs = 5_000;
/** A server that ran this long had started well: the next failure begins with the shortest delay again. */
const wellAfterMs = 30_000;

/** Starts a server and starts it again, at growing distances, whenever it dies without having been asked to. */
export class Supervisor {
  private starting: Promise<void> | undefined;
  private stopping: AbortController | undefined;
  private watch: Promise<void> = Promise.resolve();

  constructor(
    private readonly name: string,
    private readonly server: Supervised,
    private readonly log: InfrastructureLog,
  ) {}

  /** @throws when the first start fails. */
  async start(): Promise<void> {
    this.starting = this.server.start();
    await this.starting;
    this.stopping = new AbortController();
    this.watch = this.keepRunning(this.stopping.signal);
  }

  async stop(): Promise<void> {
    await this.starting?.catch(() => undefined);
    this.stopping?.abort();
    await this.server.stop();
    await this.watch;
    // A restart may have been under way.
    await this.server.stop();
  }

  private async keepRunning(stopping: AbortSignal): Promise<void> {
    let delayMs = firstDelayMs;
    for (;;) {
      const startedAt = performance.now();
      const exit = await this.server.exited;
      if (stopping.aborted) return;
      if (performance.now() - startedAt > wellAfterMs) delayMs = firstDelayMs;
      this.log.warn(
        `${this.name} died (${exit?.signal ?? `code ${exit?.code}`}); starting it again`,
      );
      while (!stopping.aborted) {
        await delay(delayMs, undefined, { signal: stopping }).catch(() => undefined);
        delayMs = Math.min(delayMs * 2, longestDelayMs);
        if (!stopping.aborted && (await this.restart())) break;
      }
      if (stopping.aborted) return;
    }
  }

  private async restart(): Promise<boolean> {
    try {
      await this.server.start();
      this.log.info(`${this.name} is back`);
      return true;
    } catch (error) {
      this.log.warn(error instanceof Error ? error.message : String(error));
      return false;
    }
  }
}
