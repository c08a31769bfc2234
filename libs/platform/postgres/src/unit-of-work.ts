import { parseJson } from '@spooled/contracts';
import { isTracing } from '@spooled/telemetry';
import type { Socket } from 'node:net';
import pg from 'pg';
import { unavailable } from './database-errors.js';
import type { Statement } from './statement.js';

const { types } = pg;

/** What a unit of work may do inside its transaction. */
export interface Transaction {
  query<R>(statement: Statement, values?: readonly unknown[]): Promise<R[]>;
  /**
   * Runs when the work is done, right before COMMIT: for what must come last. May only `send`. Lower `order` first, so
   * that locks which many transactions want are taken by all of them in one order.
   */
  beforeCommit(run: () => void, order: number): void;
  /** Sends a last statement without waiting: it travels in one flight with COMMIT, and its failure is the commit's. */
  send<R>(statement: Statement, values: readonly unknown[], received?: (rows: R[]) => void): void;
  /** Runs after a successful COMMIT; must not throw. */
  afterCommit(run: () => void): void;
}

/** Row types as our code wants them: counts as numbers, JSON without loss of digits. */
const OID = { int8: 20, json: 114, jsonb: 3802, numeric: 1700 } as const;
const typeParsers: Readonly<Record<number, (text: string) => unknown>> = {
  [OID.int8]: Number,
  [OID.numeric]: Number,
  [OID.json]: parseJson,
  [OID.jsonb]: parseJson,
};
const rowTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid) =>
    typeParsers[oid] ?? (types.getTypeParser(oid) as (text: string) => unknown),
};

/** Statements whose names a span has room for. */
const MAX_NAMES = 20;

/**
 * Where the only warning comes from that makes of a COMMIT less than it says: the wait for the synchronous standby was
 * cancelled, and the transaction is on this server alone.
 */
const SYNCHRONOUS_WAIT = 'SyncRepWaitForLSN';

/** One transaction on one connection, which must be idle. */
export class UnitOfWork implements Transaction {
  readonly #client: pg.PoolClient;
  readonly #inFlight: Promise<unknown>[] = [];
  readonly #beforeCommit: { readonly run: () => void; readonly order: number }[] = [];
  readonly #afterCommit: (() => void)[] = [];
  readonly #names: string[] = [];

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  begin(statement: string): void {
    const flight = holdFlight(this.#client);
    this.#track(this.#client.query(statement));
    // What the work sends at once leaves together with BEGIN.
    process.nextTick(flight.depart);
  }

  async query<R>(statement: Statement, values?: readonly unknown[]): Promise<R[]> {
    const result = await this.#execute(statement, values);
    return result.rows as R[];
  }

  send<R>(statement: Statement, values: readonly unknown[], received?: (rows: R[]) => void): void {
    this.#track(this.#execute(statement, values).then((result) => received?.(result.rows as R[])));
  }

  beforeCommit(run: () => void, order: number): void {
    this.#beforeCommit.push({ run, order });
  }

  afterCommit(run: () => void): void {
    this.#afterCommit.push(run);
  }

  async commit(): Promise<void> {
    const flight = holdFlight(this.#client);
    this.#beforeCommit.sort((a, b) => a.order - b.order);
    for (const { run } of this.#beforeCommit) run();
    let isOnStandby = true;
    const heed = ({ routine }: { readonly routine?: string | undefined }): void => {
      if (routine === SYNCHRONOUS_WAIT) isOnStandby = false;
    };
    this.#client.on('notice', heed);
    const committing = this.#client.query('commit');
    flight.depart();
    // The first failure is the reason; the statements after it only say that the transaction is aborted.
    const outcomes = await Promise.allSettled([...this.#inFlight, committing]);
    this.#client.off('notice', heed);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    if ((await committing).command !== 'COMMIT') throw new Error('the transaction was rolled back');
    if (!isOnStandby) throw unavailable(new Error('somebody cancelled the wait for the standby'));
  }

  committed(): void {
    for (const run of this.#afterCommit) run();
  }

  /** Answers the error that makes the connection unfit for reuse, if any. */
  async rollback(): Promise<Error | undefined> {
    try {
      await this.#client.query('rollback');
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** The names of what ran, as far as a span has room for them. */
  get statements(): string {
    return this.#names.join(' ');
  }

  #execute(statement: Statement, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    if (isTracing() && this.#names.length < MAX_NAMES) this.#names.push(statement.name);
    return this.#client.query({
      name: statement.name,
      text: statement.text,
      values: values as unknown[],
      types: rowTypes,
    });
  }

  #track(promise: Promise<unknown>): void {
    promise.catch(() => undefined);
    this.#inFlight.push(promise);
  }
}

/**
 * Holds back what is written to a connection until it departs as one write. Each write wakes the other side: with
 * BEGIN, statement, append and COMMIT on their own, a lone transaction spent more time on that than on its work.
 */
function holdFlight(client: pg.PoolClient): { depart: () => void } {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  stream.cork();
  return { depart: () => stream.uncork() };
}
