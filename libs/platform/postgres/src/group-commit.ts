import { AppError } from '@spooled/contracts';
import {
  activeTraceparent,
  inSpan,
  isTracing,
  outsideTraces,
  sharedBy,
  type Metrics,
  type SpanSettings,
} from '@spooled/telemetry';
import { sqlState } from './database-errors.js';
import type { Database } from './database.js';
import type { Transaction } from './unit-of-work.js';

export interface GroupCommitOptions {
  readonly database: Database;
  readonly metrics: Metrics;
  /** Rows of one kind of call in one transaction. @default 500 */
  readonly maxRows?: number;
  /** Transactions under way at once; of one organization, where each serves one. @default 2 */
  readonly maxInFlight?: number;
  /** Callers of one kind waiting before further ones are refused with 429. @default 5000 */
  readonly maxWaiting?: number;
}

/** One kind of call. */
export interface LaneOptions<I, O> {
  /** Metric label, such as `jobs.enqueue`. */
  readonly name: string;
  readonly organizationOf: (item: I) => string;
  /** Rows an item brings. @default 1 each */
  readonly weigh?: (item: I) => number;
  /** Does the items' work; answers in their order. An `AppError` among the answers is that caller's alone. */
  readonly run: (
    transaction: Transaction,
    items: readonly I[],
  ) => Promise<readonly (O | AppError)[]>;
}

export interface Lane<I, O> {
  /** Answers after the commit. @throws AppError `RATE_LIMIT_EXCEEDED` when too many callers wait already. */
  submit(item: I): Promise<O>;
}

/**
 * Group commit: calls that arrive while a transaction is under way share the next one, whatever their kind. Each kind
 * has a lane; a transaction takes what waits in all of them, in the order in which the lanes were made, and sends their
 * statements in one flight. There is no timer: an idle system commits a single call at once, a busy one grows its
 * groups by itself. Every caller still waits for its own durable commit. Where transactions serve one organization each
 * (ADR 29), only its calls share one; organizations take turns.
 */
export class GroupCommit {
  readonly #options: Required<GroupCommitOptions>;
  readonly #rows;
  readonly #lanes: Queue[] = [];
  /** Whose calls wait: organizations, in the order of their turns; or everybody's, as one. */
  readonly #turns = new Set<string>();
  /** Transactions under way, by whose they are. */
  readonly #inFlight = new Map<string, number>();
  #flights = 0;
  #isScheduled = false;

  constructor(options: GroupCommitOptions) {
    this.#options = { maxRows: 500, maxInFlight: 2, maxWaiting: 5000, ...options };
    this.#rows = options.metrics.histogram({
      name: 'spooled_group_commit_rows',
      help: 'Rows of one kind of call in one grouped transaction.',
      labelNames: ['statement'],
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    });
  }

  lane<I, O>(options: LaneOptions<I, O>): Lane<I, O> {
    const queue = new LaneQueue(options, this.#options.maxWaiting);
    this.#lanes.push(queue);
    return {
      submit: (item) => {
        const whose = this.#isByOrganization ? options.organizationOf(item) : EVERYBODY;
        const answer = queue.add(whose, item);
        this.#turns.add(whose);
        this.#schedule();
        return answer;
      },
    };
  }

  get #isByOrganization(): boolean {
    return this.#options.database.isByOrganization;
  }

  /** Departs at the end of this turn of the event loop, so that requests read from sockets together travel together. */
  #schedule(): void {
    if (this.#isScheduled || this.#next() === undefined) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const whose = this.#next();
      if (whose === undefined) return;
      const batches = this.#lanes.flatMap((lane) => lane.take(whose, this.#options.maxRows));
      // Who has more waiting comes after the others.
      this.#turns.delete(whose);
      if (this.#lanes.some((lane) => lane.holds(whose))) this.#turns.add(whose);
      if (batches.length > 0) void this.#depart(whose, batches);
      this.#schedule();
    });
  }

  /** Whose calls may depart now. */
  #next(): string | undefined {
    const { maxInFlight } = this.#options;
    const maxFlights = this.#isByOrganization ? Math.max(MAX_FLIGHTS, maxInFlight) : maxInFlight;
    if (this.#flights >= maxFlights) return undefined;
    for (const whose of this.#turns) {
      if ((this.#inFlight.get(whose) ?? 0) < maxInFlight) return whose;
    }
    return undefined;
  }

  async #depart(whose: string, batches: readonly Batch[]): Promise<void> {
    this.#count(whose, 1);
    try {
      // The caller that made this group depart is one of many: it does not take the others into its trace.
      await outsideTraces(() => this.#commit(batches));
    } finally {
      this.#count(whose, -1);
      this.#schedule();
    }
  }

  #count(whose: string, change: 1 | -1): void {
    this.#flights += change;
    const flights = (this.#inFlight.get(whose) ?? 0) + change;
    if (flights === 0) this.#inFlight.delete(whose);
    else this.#inFlight.set(whose, flights);
  }

  async #commit(batches: readonly Batch[]): Promise<void> {
    const organizations = [...new Set(batches.flatMap((batch) => batch.organizations))];
    try {
      const settlements = await inSpan('group commit', spanOf(batches), () =>
        this.#options.database.transaction(organizations, (transaction) =>
          runAll(transaction, batches),
        ),
      );
      for (const { name, rows } of batches) this.#rows.observe({ statement: name }, rows);
      for (const settle of settlements) settle();
    } catch (error) {
      const parts = isOneCallersFault(error) ? split(batches) : [];
      if (parts.length === 0) for (const batch of batches) batch.reject(error);
      // One bad row fails alone: parts are tried again until it stands by itself.
      for (const part of parts) await this.#commit(part);
    }
  }
}

/** Whose calls share transactions, unless each serves one organization. */
const EVERYBODY = '';
/** Of all organizations together, where each has its own: fewer than a room has connections. */
const MAX_FLIGHTS = 5;

/** What of a lane travels in one transaction. */
interface Batch {
  readonly name: string;
  readonly rows: number;
  readonly organizations: readonly string[];
  /** Of the callers' traces. */
  readonly traceparents: readonly (string | null)[];
  /** Answers a function that tells the callers, for after the commit. */
  run(transaction: Transaction): Promise<() => void>;
  reject(error: unknown): void;
  halves(): readonly Batch[];
}

interface Queue {
  holds(whose: string): boolean;
  take(whose: string, maxRows: number): readonly Batch[];
}

interface Waiting<I, O> {
  readonly item: I;
  readonly traceparent: string | null;
  readonly resolve: (answer: O) => void;
  readonly reject: (error: unknown) => void;
}

class LaneQueue<I, O> implements Queue {
  readonly #waiting = new Map<string, Waiting<I, O>[]>();
  #count = 0;

  constructor(
    private readonly lane: LaneOptions<I, O>,
    private readonly maxWaiting: number,
  ) {}

  holds(whose: string): boolean {
    return this.#waiting.has(whose);
  }

  add(whose: string, item: I): Promise<O> {
    if (this.#count >= this.maxWaiting) {
      const busy = { retryAfterSecs: 1 };
      return Promise.reject(
        new AppError('RATE_LIMIT_EXCEEDED', 'The server is busy; try again.', busy),
      );
    }
    return new Promise<O>((resolve, reject) => {
      const call = { item, traceparent: activeTraceparent(), resolve, reject };
      const waiting = this.#waiting.get(whose);
      if (waiting === undefined) this.#waiting.set(whose, [call]);
      else waiting.push(call);
      this.#count += 1;
    });
  }

  take(whose: string, maxRows: number): readonly Batch[] {
    const waiting = this.#waiting.get(whose);
    if (waiting === undefined) return [];
    const { weigh = () => 1 } = this.lane;
    let rows = 0;
    let count = 0;
    for (const { item } of waiting) {
      rows += weigh(item);
      if (count > 0 && rows > maxRows) break;
      count += 1;
    }
    const taken = waiting.splice(0, count);
    if (waiting.length === 0) this.#waiting.delete(whose);
    this.#count -= count;
    return [new LaneBatch(this.lane, taken)];
  }
}

class LaneBatch<I, O> implements Batch {
  constructor(
    private readonly lane: LaneOptions<I, O>,
    private readonly waiting: readonly Waiting<I, O>[],
  ) {}

  get name(): string {
    return this.lane.name;
  }

  get rows(): number {
    const { weigh = () => 1 } = this.lane;
    return this.waiting.reduce((sum, { item }) => sum + weigh(item), 0);
  }

  get organizations(): readonly string[] {
    return this.waiting.map(({ item }) => this.lane.organizationOf(item));
  }

  get traceparents(): readonly (string | null)[] {
    return this.waiting.map(({ traceparent }) => traceparent);
  }

  async run(transaction: Transaction): Promise<() => void> {
    const items = this.waiting.map(({ item }) => item);
    const answers = await this.lane.run(transaction, items);
    return () => {
      this.waiting.forEach(({ resolve, reject }, index) => {
        const answer = answers[index] as O | AppError;
        if (answer instanceof AppError) reject(answer);
        else resolve(answer);
      });
    };
  }

  reject(error: unknown): void {
    for (const { reject } of this.waiting) reject(error);
  }

  halves(): readonly Batch[] {
    if (this.waiting.length === 1) return [];
    const middle = this.waiting.length >> 1;
    return [
      new LaneBatch(this.lane, this.waiting.slice(0, middle)),
      new LaneBatch(this.lane, this.waiting.slice(middle)),
    ];
  }
}

function spanOf(batches: readonly Batch[]): SpanSettings {
  if (!isTracing()) return {};
  return {
    ...sharedBy(batches.flatMap(({ traceparents }) => traceparents)),
    attributes: {
      'spooled.group.calls': batches.reduce(
        (sum, { traceparents }) => sum + traceparents.length,
        0,
      ),
      'spooled.group.lanes': batches.map(({ name }) => name),
    },
  };
}

/** Waits for all of them, also when one fails: nobody may use the transaction after it ended. */
async function runAll(
  transaction: Transaction,
  batches: readonly Batch[],
): Promise<readonly (() => void)[]> {
  const outcomes = await Promise.allSettled(batches.map((batch) => batch.run(transaction)));
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  // What follows the failed statement only says that the transaction is aborted.
  const cause = failures.find(({ reason }) => sqlState(reason) !== TRANSACTION_ABORTED);
  if (failures.length > 0) throw (cause ?? failures[0])?.reason;
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}

const TRANSACTION_ABORTED = '25P02';

/** Data exceptions (class 22), broken constraints (23) and deadlocks (40) are some row's fault, not everybody's. */
function isOneCallersFault(error: unknown): boolean {
  return /^(22|23|40)/.test(sqlState(error) ?? '');
}

/** Lanes first, then halves of a lane; nothing when it is one call. */
function split(batches: readonly Batch[]): readonly (readonly Batch[])[] {
  const [only] = batches;
  if (batches.length > 1 || only === undefined) return batches.map((batch) => [batch]);
  return only.halves().map((half) => [half]);
}
