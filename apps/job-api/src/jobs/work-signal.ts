import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { workAvailable } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { randomUUID } from 'node:crypto';
import type { QueuesByOrganization } from './by-organization.js';

/** When jobs that the queue's rate limit held back are looked for again. */
const PACE_MS = 50;

/** What a look for work may find. */
export interface Found {
  readonly jobs: readonly unknown[];
  /** The queue's rate limit held jobs back. */
  readonly isPaced: boolean;
}

/**
 * One caller that looks for work in a queue and waits while there is none. It must look before it waits for the first
 * time: what was announced before it listened was announced to others.
 */
export interface WorkListener {
  /**
   * Jobs that are probably there for this caller: announced to it and not looked for yet; Infinity when nobody knows how
   * many. 0: it may wait.
   */
  readonly expected: number;
  /** Looks for `wanted` jobs, and minds what that says about those that are left. */
  look<F extends Found>(wanted: number, look: () => Promise<F>): Promise<F>;
  /** Ends when work is expected, when the time is over, or when the signal aborts, whichever comes first. */
  woken(signal: AbortSignal, timeoutMs?: number): Promise<void>;
  /** Ends listening; work that was expected is somebody else's now. */
  stop(): void;
}

/** A queue somebody waits for. */
export interface WaitedFor {
  readonly organizationId: string;
  readonly queueName: string;
}

/**
 * Tells whoever waits, here and in other instances, that a queue has claimable jobs. No herd: n jobs wake at most n
 * callers, who waited longest first, and each is told how many of them are its share. Whoever cannot take its share
 * passes it on. So a caller that waits knows that every job was announced to somebody who still has to look for it. A
 * hint that is lost, or a caller that dies while it looks, is covered by the `WorkSweeper`.
 */
@Injectable()
export class WorkSignal implements OnModuleInit, OnModuleDestroy {
  readonly #queues = new Map<string, Queue>();
  readonly #paced = new Map<Queue, NodeJS.Timeout>();
  readonly #onDue: ((at: Date) => void)[] = [];
  readonly #onReturned: ((queue: WaitedFor, isHere: boolean) => void)[] = [];
  readonly #instance = randomUUID();
  #isStopping = false;

  constructor(private readonly bus: Bus) {}

  /** From now on nobody should wait any more. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  onModuleInit(): void {
    this.bus.onHint(workAvailable, ({ queueNames, jobs, instance }, organizationId) => {
      if (instance === this.#instance) return;
      queueNames.forEach((queueName, index) => {
        this.#returned({ organizationId, queueName }, false);
        this.wake({ organizationId, queueName }, jobs?.[index] ?? Infinity);
      });
    });
  }

  /** Before the servers wait for their requests: those that wait for work end now. */
  onModuleDestroy(): void {
    this.#isStopping = true;
    for (const timer of this.#paced.values()) clearTimeout(timer);
    for (const queue of this.#queues.values()) queue.wakeAll();
  }

  /** Jobs became claimable that were there before, at whatever place in the order of their queues. */
  announce(queues: QueuesByOrganization): void {
    for (const [organizationId, names] of queues.entries()) {
      for (const queueName of names.keys()) this.#returned({ organizationId, queueName }, true);
    }
    this.announceNew(queues);
  }

  /** The same of jobs that were made just now. */
  announceNew(queues: QueuesByOrganization): void {
    for (const [organizationId, names] of queues.entries()) {
      for (const [queueName, jobs] of names) this.wake({ organizationId, queueName }, jobs);
      this.bus.hint(workAvailable, organizationId, {
        queueNames: [...names.keys()],
        jobs: [...names.values()].map((jobs) => (jobs === Infinity ? null : jobs)),
        instance: this.#instance,
      });
    }
  }

  /** Tells those who wait here. `jobs`: Infinity when nobody knows how many there are. */
  wake({ organizationId, queueName }: WaitedFor, jobs: number): void {
    this.#queues.get(nameOf(organizationId, queueName))?.share(jobs);
  }

  /** A job becomes due at this instant; the stager may have to get up earlier than it planned. */
  announceDue(at: Date): void {
    for (const hear of this.#onDue) hear(at);
  }

  onDue(hear: (at: Date) => void): void {
    this.#onDue.push(hear);
  }

  /** Hears of queues that jobs came back to; of other instances' also when they were made just now. */
  onReturned(hear: (queue: WaitedFor, isHere: boolean) => void): void {
    this.#onReturned.push(hear);
  }

  #returned(queue: WaitedFor, isHere: boolean): void {
    for (const hear of this.#onReturned) hear(queue, isHere);
  }

  /** Queues that somebody here waits for. */
  waitedFor(): WaitedFor[] {
    return [...this.#queues.values()].filter(({ hasIdle }) => hasIdle).map(({ of }) => of);
  }

  /** Hears of work in a queue from now on, until it is stopped. */
  listen(organizationId: string, queueName: string): WorkListener {
    const name = nameOf(organizationId, queueName);
    const queue = this.#queues.get(name) ?? new Queue({ organizationId, queueName });
    this.#queues.set(name, queue);
    return new Listener(queue, {
      isStopping: () => this.#isStopping,
      pace: () => this.#pace(queue),
      left: () => {
        if (queue.isEmpty && this.#queues.get(name) === queue) this.#queues.delete(name);
      },
    });
  }

  /** However many are held back, one of them looks for all. */
  #pace(queue: Queue): void {
    if (this.#paced.has(queue) || this.#isStopping) return;
    const timer = setTimeout(() => {
      this.#paced.delete(queue);
      queue.share(Infinity);
    }, PACE_MS);
    this.#paced.set(queue, timer);
  }
}

/** Those who listen to one queue. */
class Queue {
  /** Those who wait, longest first. */
  readonly idle = new Set<Listener>();
  /** Those who look, or deal with what they found. */
  readonly busy = new Set<Listener>();

  constructor(readonly of: WaitedFor) {}

  get hasIdle(): boolean {
    return this.idle.size > 0;
  }

  get isEmpty(): boolean {
    return this.idle.size + this.busy.size === 0;
  }

  /** Shares out jobs evenly; those who are busy get some when there are more than callers that wait. */
  share(jobs: number, except?: Listener): void {
    const others = [...this.#first(jobs, except)];
    others.forEach((listener, index) => {
      const share = jobs === Infinity ? jobs : Math.ceil((jobs - index) / others.length);
      listener.expect(share);
    });
  }

  wakeAll(): void {
    for (const listener of [...this.idle]) listener.wake();
  }

  /** As many as there are jobs; one when nobody knows how many there are, who finds out whether it needs company. */
  *#first(jobs: number, except?: Listener): Generator<Listener> {
    let left = jobs === Infinity ? 1 : jobs;
    for (const listeners of [this.idle, this.busy]) {
      for (const listener of listeners) {
        if (left <= 0) return;
        if (listener === except) continue;
        left -= 1;
        yield listener;
      }
    }
  }
}

/** What a listener needs of the signal. */
interface Surroundings {
  isStopping(): boolean;
  pace(): void;
  left(): void;
}

class Listener implements WorkListener {
  expected = 0;
  #wake: (() => void) | undefined;

  constructor(
    private readonly queue: Queue,
    private readonly around: Surroundings,
  ) {
    queue.busy.add(this);
  }

  async look<F extends Found>(wanted: number, look: () => Promise<F>): Promise<F> {
    const told = this.expected;
    this.expected = 0;
    const found = await look();
    const count = found.jobs.length;
    if (found.isPaced) this.around.pace();
    if (count >= wanted) this.#gotAll(count, told);
    return found;
  }

  async woken(signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (this.expected > 0 || signal.aborted || this.around.isStopping()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.queue.busy.delete(this);
    this.queue.idle.add(this);
    const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
    const abort = (): void => resolve();
    signal.addEventListener('abort', abort, { once: true });
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    this.wake();
  }

  stop(): void {
    this.queue.idle.delete(this);
    this.queue.busy.delete(this);
    if (this.expected > 0) this.queue.share(this.expected);
    this.expected = 0;
    this.around.left();
  }

  expect(jobs: number): void {
    this.expected += jobs;
    this.wake();
    // To the end of the line, so that the next jobs burden somebody else.
    if (this.queue.busy.delete(this)) this.queue.busy.add(this);
  }

  wake(): void {
    this.queue.idle.delete(this);
    this.queue.busy.add(this);
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Exactly what it was told of: the rest is with others. Otherwise there may be more than anybody was told of. */
  #gotAll(count: number, told: number): void {
    if (told >= count && told !== Infinity) this.expected += told - count;
    else {
      this.expected = Infinity;
      if (told === Infinity) this.queue.share(Infinity, this);
    }
  }
}

function nameOf(organizationId: string, queueName: string): string {
  return `${organizationId} ${queueName}`;
}
