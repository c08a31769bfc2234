import { isUuid } from '@spooled/contracts';
import { annotate, inSpan, isTracing } from '@spooled/telemetry';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { READ_ONLY, sqlState, translate, unavailable } from './database-errors.js';
import type { Statement } from './statement.js';
import { UnitOfWork, type Transaction } from './unit-of-work.js';
import { serversOf, writingClient } from './writing-client.js';

export interface DatabaseOptions {
  /** May name several servers, of which one takes writes: `postgresql://user:password@one:5432,two:5432/database`. */
  readonly url: string;
  /** Role every statement runs as; never an owner of tables, so row-level security binds it. */
  readonly role: string;
  readonly maxConnections: number;
  /** Name shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Further settings of every connection, such as those of the planner. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Calls of several organizations never share a transaction. @default false */
  readonly isByOrganization?: boolean;
  /** How long a call waits for a connection, one of the pool that is free or a new one. @default 3000 */
  readonly connectTimeoutMs?: number;
}

/** The connections of a pool at a moment. */
export interface PoolUse {
  readonly open: number;
  /** Of these, those that work for somebody. */
  readonly active: number;
  /** Callers that wait for one. */
  readonly waiting: number;
}

/** Of a request's trace; loops, which run by the clock, begin none. The statements' names only: values are customers'. */
const TRANSACTION_SPAN = {
  kind: 'client',
  attributes: { 'db.system.name': 'postgresql' },
  needsParent: true,
} as const;
const STATEMENT_TIMEOUT_MS = 15_000;
/**
 * Longer than PostgreSQL itself lets a statement run, so that it ends what only the network or a synchronous standby
 * holds up. Also longer than the pool keeps an idle connection: of those that went silent none is tried after it.
 */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5000;

/** Of a transaction that others keep deadlocking with. */
const MAX_ATTEMPTS = 3;

/** A room's door to Postgres: scoped transactions on a pool that TypeORM owns. */
export class Database {
  readonly isByOrganization: boolean;
  readonly #source: DataSource;
  readonly #role: string;
  #opening: Promise<unknown> | undefined;

  constructor(options: DatabaseOptions) {
    this.isByOrganization = options.isByOrganization ?? false;
    this.#role = options.role;
    const servers = serversOf(options.url);
    this.#source = new DataSource({
      type: 'postgres',
      url: servers[0],
      applicationName: options.applicationName,
      poolSize: options.maxConnections,
      installExtensions: false,
      connectTimeoutMS: options.connectTimeoutMs ?? 3000,
      // Losing an idle connection is ordinary: the pool drops it and the next call opens another.
      poolErrorHandler: () => undefined,
      extra: {
        Client: writingClient(servers),
        // BEGIN, the statement and COMMIT leave in one flight instead of three round trips.
        pipeline: true,
        // A machine that vanishes says nothing: who waits for it would do so for a quarter of an hour, and longer where
        // nothing is on its way to it. Probed after ten idle seconds, it is given up ten seconds later.
        query_timeout: ANSWER_TIMEOUT_MS,
        keepAlive: true,
        keepAliveInitialDelayMillis: 10_000,
        options: [
          `-c role=${options.role}`,
          `-c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
          '-c lock_timeout=10000',
          '-c idle_in_transaction_session_timeout=20000',
          // Compiling a statement takes longer than any of ours takes to run.
          '-c jit=off',
          ...Object.entries(options.settings ?? {}).map(([name, value]) => `-c ${name}=${value}`),
        ].join(' '),
      },
    });
  }

  /** Opens the pool. A database that is away is not an error here: calls answer 503 until it comes. */
  async open(): Promise<void> {
    if (this.#source.isInitialized) return;
    this.#opening ??= this.#source.initialize().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async close(): Promise<void> {
    if (this.#source.isInitialized) await this.#source.destroy();
  }

  get poolUse(): PoolUse {
    if (!this.#source.isInitialized) return { open: 0, active: 0, waiting: 0 };
    const { totalCount, idleCount, waitingCount } = this.#pool;
    return { open: totalCount, active: totalCount - idleCount, waiting: waitingCount };
  }

  /**
   * Runs `work` in one transaction that can see and write the rows of `organizations` only.
   * @throws AppError `SERVICE_UNAVAILABLE` when the database is away, `DATABASE_ERROR` when it refuses a statement.
   */
  async transaction<T>(
    organizations: readonly string[],
    work: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    return this.#run(`${scopeOf(organizations)}; ${GENERIC_PLANS}`, work);
  }

  /** One statement in a transaction of its own. */
  async query<R>(
    organizations: readonly string[],
    statement: Statement,
    values?: readonly unknown[],
  ): Promise<R[]> {
    return this.#run(scopeOf(organizations), (transaction) =>
      transaction.query<R>(statement, values),
    );
  }

  /** For loops that serve every organization: runs as the room's maintenance role. */
  async maintenance<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const begin = `begin; set local role ${this.#role}_maintenance; ${GENERIC_PLANS}`;
    return this.#run(begin, work);
  }

  async ping(): Promise<boolean> {
    try {
      const client = await this.#connect();
      try {
        await client.query('select 1');
        return true;
      } finally {
        client.release();
      }
    } catch {
      return false;
    }
  }

  #run<T>(begin: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return inSpan(`transaction ${this.#role}`, TRANSACTION_SPAN, () => this.#attempt(begin, work));
  }

  /** A transaction that lost a deadlock was rolled back whole, and is simply run again. */
  async #attempt<T>(begin: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#runOnce(begin, work);
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !/^40/.test(sqlState(error) ?? '')) throw error;
      }
    }
  }

  async #runOnce<T>(begin: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const client = await this.#connect();
    const unit = new UnitOfWork(client);
    let broken: Error | undefined;
    try {
      unit.begin(begin);
      const result = await work(unit);
      await unit.commit();
      if (isTracing()) annotate({ 'db.query.summary': unit.statements });
      unit.committed();
      return result;
    } catch (error) {
      broken = await unit.rollback();
      // It takes no writes any more, as around a switchover: the address may lead to another server by now.
      if (sqlState(error) === READ_ONLY) broken ??= error as Error;
      throw translate(error);
    } finally {
      client.release(broken);
    }
  }

  get #pool(): pg.Pool {
    return (this.#source.driver as unknown as { master: pg.Pool }).master;
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      await this.open();
      return await this.#pool.connect();
    } catch (error) {
      throw unavailable(error);
    }
  }
}

/**
 * Statements of a transaction start from keys, so one plan fits every parameter. Left to choose, the planner makes a
 * new plan for each group, whose size it takes from the arrays, and that takes longer than the statement itself.
 */
const GENERIC_PLANS = 'set local plan_cache_mode = force_generic_plan';

function scopeOf(organizations: readonly string[]): string {
  // A uuid cannot hold a quote, so writing the list into the text is safe once each one is checked.
  for (const id of organizations) if (!isUuid(id)) throw new Error('not an organization id');
  return `begin; set local app.orgs = '{${organizations.join(',')}}'`;
}
