import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { workAvailable } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { randomUUID } from 'node:crypto';
import type { QueuesByOrganization } from './by-organization.js';

/** One caller that waits for work in a queue. */
export interface WorkListener {
  /** Ends when the queue has work, when the time is over, or when the signal aborts, whichever comes first. */
  woken(timeoutMs: number, signal: AbortSignal): Promise<void>;
  stop(): void;
}

/** Tells whoever waits, here and in other instances, that a queue has claimable jobs. */
@Injectable()
export class WorkSignal implements OnModuleInit, OnModuleDestroy {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #onDue: ((at: Date) => void)[] = [];
  readonly #instance = randomUUID();
  #isStopping = false;

  constructor(private readonly bus: Bus) {}

  /** From now on nobody should wait any more. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  onModuleInit(): void {
    this.bus.onHint(workAvailable, ({ queueNames, instance }, organizationId) => {
      if (instance === this.#instance) return;
      for (const queueName of queueNames) this.#wake(organizationId, queueName);
    });
  }

  /** Before the HTTP server waits for its requests: those that wait for work end now. */
  onModuleDestroy(): void {
    this.#isStopping = true;
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve();
  }

  announce(queues: QueuesByOrganization): void {
    for (const [organizationId, names] of queues.entries()) {
      for (const queueName of names) this.#wake(organizationId, queueName);
      this.bus.hint(workAvailable, organizationId, {
        queueNames: [...names],
        instance: this.#instance,
      });
    }
  }

  /** A job becomes due at this instant; the stager may have to get up earlier than it planned. */
  announceDue(at: Date): void {
    for (const hear of this.#onDue) hear(at);
  }

  onDue(hear: (at: Date) => void): void {
    this.#onDue.push(hear);
  }

  /** Hears of work in a queue from now on, until it is stopped. */
  listen(organizationId: string, queueName: string): WorkListener {
    const name = `${organizationId} ${queueName}`;
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting);
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.add(resolve);
    return {
      woken: async (timeoutMs, signal) => {
        const timer = setTimeout(resolve, timeoutMs);
        const abort = (): void => resolve();
        signal.addEventListener('abort', abort, { once: true });
        if (!signal.aborted) await promise;
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      },
      stop: () => {
        waiting.delete(resolve);
        if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
      },
    };
  }

  #wake(organizationId: string, queueName: string): void {
    for (const resolve of this.#waiting.get(`${organizationId} ${queueName}`) ?? []) resolve();
  }
}
