import { jobsRpc, type ClaimedJob, type StoredEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import fc from 'fast-check';
import { brokenPromises, storedJobs } from './model-invariants.js';
import type { Fuse } from './model-crash.js';
import type { Room } from './model-room.js';
import { fallDue, lapse } from './model-time.js';

const LATER = '2090-01-01T00:00:00Z';
const queue = fc.constantFrom('a', 'b');
const worker = fc.constantFrom('w-1', 'w-2', 'w-3');
/** Which of the jobs so far. */
const job = fc.nat(10_000);
const enqueued = {
  queue,
  priority: fc.integer({ min: -1, max: 1 }),
  maxRetries: fc.integer({ min: 0, max: 2 }),
  key: fc.option(fc.constantFrom('k1', 'k2', 'k3', 'k4', 'k5', 'k6'), { nil: undefined }),
};

function act<K extends string, G extends object>(
  weight: number,
  kind: K,
  given: { readonly [N in keyof G]: fc.Arbitrary<G[N]> },
): { weight: number; arbitrary: fc.Arbitrary<G & { readonly kind: K }> } {
  return { weight, arbitrary: fc.record(given).map((values) => ({ ...(values as G), kind })) };
}

const anyAct = fc.oneof(
  act(5, 'enqueue', { ...enqueued, isScheduled: fc.boolean() }),
  act(2, 'enqueue child', { ...enqueued, job }),
  act(1, 'bulk', { ...enqueued, count: fc.integer({ min: 1, max: 4 }) }),
  act(7, 'claim', { queue, worker, limit: fc.integer({ min: 1, max: 3 }) }),
  act(6, 'complete', { job, hasLease: fc.boolean() }),
  act(5, 'fail', { job, hasLease: fc.boolean() }),
  act(2, 'renew', { job, hasLease: fc.boolean() }),
  act(3, 'cancel', { job }),
  act(2, 'set priority', { job, priority: fc.integer({ min: -1, max: 1 }) }),
  act(3, 'retry', { job }),
  act(2, 'lose lease', { job }),
  act(2, 'become due', { job }),
  act(1, 'lapse', { job }),
  act(1, 'release worker', {
    worker,
    cause: fc.constantFrom('requested' as const, 'stale' as const),
  }),
);
type Act = typeof anyAct extends fc.Arbitrary<infer A> ? A : never;
type ActOf<K extends Act['kind']> = Act & { readonly kind: K };
type Move = 'cancel' | 'retry' | 'set priority';
type Disturbance = 'lose lease' | 'become due' | 'lapse' | 'release worker';

const anyTrouble = fc.record({
  /** How many acts have begun when it strikes. */
  afterActs: fc.integer({ min: 1, max: 150 }),
  what: fc.oneof(
    { weight: 3, arbitrary: fc.record({ atWrite: fc.integer({ min: 1, max: 30 }) }) },
    { weight: 3, arbitrary: fc.constant({ afterTurns: 0 }) },
    { weight: 1, arbitrary: fc.constant('restart' as const) },
  ),
});
interface Trouble {
  readonly afterActs: number;
  readonly what: Fuse | 'restart';
}

/** What several callers do at once, and what befalls the room meanwhile. */
export interface Crowd {
  readonly callers: readonly (readonly Act[])[];
  readonly troubles: readonly Trouble[];
}

export const anyCrowd: fc.Arbitrary<Crowd> = fc.record({
  callers: fc.array(fc.array(anyAct, { minLength: 15, maxLength: 30, size: 'max' }), {
    minLength: 4,
    maxLength: 8,
    size: 'max',
  }),
  troubles: fc.array(anyTrouble, { maxLength: 2 }),
});

/** Statuses a call may be answered with, in a quiet world; with troubles, 503 or no answer at all as well. */
const answers: Readonly<Record<string, readonly number[]>> = {
  enqueue: [200, 201],
  'enqueue child': [200, 201, 400],
  bulk: [200],
  claim: [200],
  complete: [200, 404, 409],
  fail: [200, 404, 409],
  renew: [200, 404, 409],
  cancel: [204, 409],
  'set priority': [200, 404],
  retry: [200, 409],
};

interface Held {
  readonly id: string;
  readonly lease: string;
  readonly worker: string;
}

/** Callers at work, and everything that was acknowledged to them. */
export class CrowdRun {
  readonly #ids: string[] = [];
  readonly #byKey = new Map<string, Set<string>>();
  readonly #claims: Held[] = [];
  readonly #accepted = new Map<string, string[]>();
  readonly #surprises: string[] = [];
  #begun = 0;
  #isOver = false;
  #restarting: Promise<void> | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly room: Room,
    private readonly crowd: Crowd,
  ) {}

  async run(): Promise<void> {
    const troubles = this.crowd.troubles.map((trouble) => this.#befall(trouble));
    await Promise.all(this.crowd.callers.map((acts) => this.#call(acts)));
    this.#isOver = true;
    await Promise.all(troubles);
    await this.room.calmDown();
  }

  async #call(acts: readonly Act[]): Promise<void> {
    for (const one of acts) {
      this.#begun += 1;
      await this.#do(one);
    }
  }

  async #befall({ afterActs, what }: Trouble): Promise<void> {
    await eventually(() => this.#isOver || this.#begun >= afterActs, {
      timeoutMs: 60_000,
      intervalMs: 1,
    });
    if (what === 'restart') {
      this.#restarting ??= this.room.restart().finally(() => {
        this.#restarting = undefined;
      });
      await this.#restarting;
    } else {
      const { crash } = this.room;
      await this.#inTurn(() => ('atWrite' in what ? crash.arm(what.atWrite) : crash.strike()));
    }
  }

  #do(given: Act): Promise<void> {
    switch (given.kind) {
      case 'enqueue':
        return this.#enqueue(given.kind, given.key, {
          ...wire(given),
          scheduled_at: given.isScheduled ? LATER : undefined,
        });
      case 'enqueue child':
        return this.#withJob(given.job, (parent_job_id) =>
          this.#enqueue(given.kind, given.key, { ...wire(given), parent_job_id }),
        );
      case 'bulk':
        return this.#bulk(given);
      case 'claim':
        return this.#claim(given);
      case 'complete':
      case 'fail':
      case 'renew':
        return this.#withLease(given.job, (held) => this.#settle(given, held));
      case 'cancel':
        return this.#move(given, 'DELETE', '');
      case 'retry':
        return this.#move(given, 'POST', '/retry');
      case 'set priority':
        return this.#move(given, 'PUT', '/priority', { priority: given.priority });
      default:
        return this.#disturb(given);
    }
  }

  async #enqueue(kind: string, key: string | undefined, body: object): Promise<void> {
    const reply = await this.#ask(kind, 'POST', '/jobs', body);
    if (reply !== undefined) this.#created(String(reply['id']), key);
  }

  async #bulk({ kind, queue, count, key }: ActOf<'bulk'>): Promise<void> {
    const jobs = Array.from({ length: count }, (_, n) => ({
      payload: {},
      idempotency_key: n === 0 ? key : undefined,
    }));
    const reply = await this.#ask(kind, 'POST', '/jobs/bulk', { queue_name: queue, jobs });
    for (const { index, job_id } of (reply?.['succeeded'] ?? []) as BulkEntry[]) {
      this.#created(job_id, jobs[index]!.idempotency_key);
    }
  }

  async #claim({ kind, queue, worker, limit }: ActOf<'claim'>): Promise<void> {
    const reply = await this.#ask(kind, 'POST', '/jobs/claim', {
      queue_name: queue,
      worker_id: worker,
      limit,
      lease_duration_secs: 3600,
    });
    for (const { id, lease_id } of (reply?.['jobs'] ?? []) as ClaimedJob[]) {
      this.#claims.push({ id, lease: lease_id, worker });
    }
  }

  async #settle(
    { kind, hasLease }: ActOf<'complete' | 'fail' | 'renew'>,
    { id, lease, worker }: Held,
  ): Promise<void> {
    const path = kind === 'renew' ? 'heartbeat' : kind;
    const reply = await this.#ask(kind, 'POST', `/jobs/${id}/${path}`, {
      worker_id: worker,
      lease_id: hasLease ? lease : undefined,
      ...(kind === 'fail' ? { error: 'boom' } : {}),
      ...(kind === 'renew' ? { lease_duration_secs: 3600 } : {}),
    });
    if (reply === undefined) return;
    this.#accept(kind, id);
    if (kind !== 'renew' && hasLease) this.#accept('settled', lease);
  }

  async #move(given: ActOf<Move>, method: string, rest: string, body?: object): Promise<void> {
    await this.#withJob(given.job, async (id) => {
      const reply = await this.#ask(given.kind, method, `/jobs/${id}${rest}`, body);
      if (reply !== undefined) this.#accept(given.kind, id);
    });
  }

  /** What time does, and the registry of workers. */
  #disturb(given: ActOf<Disturbance>): Promise<void> {
    const { tenant, world, loops } = this.room;
    switch (given.kind) {
      case 'lose lease':
        return this.#withLease(given.job, async ({ id }) => {
          await this.#inTurn(() => tenant.expireLease(id));
          loops.ring('jobs.lease-reaper');
        });
      case 'become due':
        return this.#withJob(given.job, async (id) => {
          await this.#inTurn(() => fallDue(tenant, id));
          loops.ring('jobs.due-stager');
        });
      case 'lapse':
        return this.#withJob(given.job, async (id) => {
          await this.#inTurn(() => lapse(tenant, id));
          loops.ring('jobs.expiry');
        });
      case 'release worker': {
        const { organizationId } = tenant;
        const question = { organizationId, workerId: given.worker, cause: given.cause };
        return world.others.request(jobsRpc.releaseWorker, question).then(
          () => undefined,
          () => undefined,
        );
      }
    }
  }

  async #withJob(choice: number, act: (id: string) => Promise<void>): Promise<void> {
    const id = this.#ids[choice % Math.max(this.#ids.length, 1)];
    if (id !== undefined) await act(id);
  }

  /** One of the newest leases, whether or not it still holds. */
  async #withLease(choice: number, act: (held: Held) => Promise<void>): Promise<void> {
    const newest = this.#claims.slice(-6);
    const held = newest[choice % Math.max(newest.length, 1)];
    if (held !== undefined) await act(held);
  }

  /** The owner's connection takes one statement at a time. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work);
    await this.#turn;
  }

  /** The body of an accepted call; undefined when it was refused or never answered. */
  async #ask(
    kind: string,
    method: string,
    path: string,
    body?: object,
  ): Promise<Record<string, unknown> | undefined> {
    const { tenant } = this.room;
    const answer = await tenant.call(method, path, body).catch(() => undefined);
    const status = answer?.status ?? 503;
    const isTroubled = this.crowd.troubles.length > 0;
    if (!answers[kind]!.includes(status) && !(isTroubled && status === 503)) {
      this.#surprises.push(`${kind} was answered ${status} ${answer?.text ?? ''}`);
    }
    return status < 300 ? (answer!.body ?? {}) : undefined;
  }

  #created(id: string, key: string | undefined): void {
    if (!this.#ids.includes(id)) this.#ids.push(id);
    if (key === undefined) return;
    this.#byKey.set(key, (this.#byKey.get(key) ?? new Set()).add(id));
  }

  #accept(what: string, id: string): void {
    this.#accepted.set(what, [...(this.#accepted.get(what) ?? []), id]);
  }

  /** What was promised to the callers and is not so. */
  async brokenPromises(): Promise<string[]> {
    const { tenant } = this.room;
    const stored = await storedJobs(tenant);
    const statusOf = new Map(stored.map(({ id, status }) => [id, status]));
    return [
      ...this.#surprises,
      ...(await brokenPromises(tenant, stored)),
      ...this.#ids.filter((id) => !statusOf.has(id)).map((id) => `${id} was lost`),
      ...this.#acceptedTwice(),
      ...this.#undone('complete', 'completed', statusOf),
      ...this.#undone('cancel', 'cancelled', statusOf),
      ...(await this.#untold()),
    ];
  }

  #acceptedTwice(): string[] {
    const shared = [...this.#byKey].filter(([, ids]) => ids.size > 1);
    const leases = repeated(this.#claims.map(({ lease }) => lease));
    const acts = ['complete', 'cancel', 'settled'].flatMap((what) =>
      repeated(this.#accepted.get(what) ?? []).map((id) => `${what} was accepted twice: ${id}`),
    );
    return [
      ...shared.map(([key, ids]) => `${key} was answered with ${[...ids].join(', ')}`),
      ...leases.map((lease) => `two claims got the lease ${lease}`),
      ...acts,
    ];
  }

  /** Accepted, and not how the job ended. */
  #undone(what: string, end: string, statusOf: ReadonlyMap<string, string>): string[] {
    const accepted = this.#accepted.get(what) ?? [];
    return accepted
      .filter((id) => statusOf.get(id) !== end)
      .map((id) => `${what} of ${id} was accepted, it is ${statusOf.get(id)}`);
  }

  /** Every accepted act is told once; one that got no answer may be told as well. */
  async #untold(): Promise<string[]> {
    const accepted = tally([
      ...this.#ids.map((id) => `JobCreated ${id}`),
      ...this.#claims.map(({ id }) => `pending→processing ${id}`),
      ...(this.#accepted.get('complete') ?? []).map((id) => `JobCompleted ${id}`),
      ...(this.#accepted.get('fail') ?? []).map((id) => `JobFailed ${id}`),
      ...(this.#accepted.get('retry') ?? []).map((id) => `deadletter→pending ${id}`),
    ]);
    const told = tally((await this.room.tenant.events()).map(inShort));
    const isCertain = this.crowd.troubles.length === 0;
    const facts = new Set([...accepted.keys(), ...told.keys()].filter((fact) => ASKED.test(fact)));
    return [...facts].flatMap((fact) => {
      const [done, said] = [accepted.get(fact) ?? 0, told.get(fact) ?? 0];
      const isRight = isCertain ? done === said : done <= said;
      return isRight ? [] : [`${fact}: ${done} accepted, ${said} told`];
    });
  }
}

/** Facts that happen only because a caller asks for them. */
const ASKED = /^(JobCreated|JobCompleted|JobFailed|pending→processing|deadletter→pending) /;

function inShort({ type, data }: StoredEvent): string {
  const what = type === 'JobStatusChange' ? `${data.old_status}→${data.new_status}` : type;
  return `${what} ${'job_id' in data ? data.job_id : ''}`;
}

function tally(facts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const fact of facts) counts.set(fact, (counts.get(fact) ?? 0) + 1);
  return counts;
}

interface BulkEntry {
  readonly index: number;
  readonly job_id: string;
}

function wire(given: {
  queue: string;
  priority: number;
  maxRetries: number;
  key?: string | undefined;
}) {
  return {
    queue_name: given.queue,
    payload: {},
    priority: given.priority,
    max_retries: given.maxRetries,
    idempotency_key: given.key,
  };
}

function repeated(ids: readonly string[]): string[] {
  return [...new Set(ids.filter((id, index) => ids.indexOf(id) !== index))];
}
