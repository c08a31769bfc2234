import { AppError } from '@spooled/contracts';
import { Metrics } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import type { Database } from './database.js';
import type { Transaction } from './unit-of-work.js';
import { GroupCommit, type GroupCommitOptions } from './group-commit.js';

interface Item {
  readonly organizationId: string;
  readonly value: number;
}
const item = (value: number, organizationId = 'org'): Item => ({ organizationId, value });

/** A database whose commits wait for the test, and what went through it. */
class FakeDatabase {
  readonly commits: { organizations: readonly string[]; release: () => void }[] = [];
  isHeld = true;
  isByOrganization = false;

  async transaction<T>(
    organizations: readonly string[],
    work: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.commits.push({ organizations, release: resolve });
    const result = await work({} as Transaction);
    if (this.isHeld) await promise;
    return result;
  }
}

function setup(options: Partial<GroupCommitOptions> = {}) {
  const database = new FakeDatabase();
  const metrics = new Metrics();
  const group = new GroupCommit({ database: database as unknown as Database, metrics, ...options });
  const batches: number[][] = [];
  /** Doubles; negative values are a row the database refuses, zero is refused by name. */
  const run = async (_: Transaction, items: readonly Item[]) => {
    batches.push(items.map(({ value }) => value));
    if (items.some(({ value }) => value < 0)) throw databaseError('22001');
    return items.map(({ value }) => (value === 0 ? new AppError('CONFLICT') : value * 2));
  };
  const organizationOf = ({ organizationId }: Item) => organizationId;
  const lane = group.lane<Item, number>({ name: 'test.double', organizationOf, run });
  return { database, metrics, group, lane, batches, run, organizationOf };
}

function databaseError(code: string): AppError {
  return new AppError('DATABASE_ERROR', undefined, { cause: Object.assign(new Error(), { code }) });
}

/** The end of this turn of the event loop, when groups depart. */
const turn = () => new Promise(setImmediate);

describe('a group commit', () => {
  it('sends a single call at once, without a timer', async () => {
    const { database, lane } = setup();
    database.isHeld = false;
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const answer = lane.submit(item(21));
    expect(timers()).toBe(before);
    expect(await answer).toBe(42);
    expect(database.commits).toHaveLength(1);
  });

  it('lets calls of one turn share a transaction, each with its own answer in order', async () => {
    const { database, lane, batches } = setup();
    database.isHeld = false;
    const values = Array.from({ length: 100 }, (_, n) => n + 1);
    const answers = await Promise.all(values.map((value) => lane.submit(item(value))));
    expect(answers).toEqual(values.map((value) => value * 2));
    expect(batches).toEqual([values]);
  });

  it('answers nobody before the commit', async () => {
    const { database, lane } = setup();
    let isAnswered = false;
    const answer = lane.submit(item(1)).then(() => {
      isAnswered = true;
    });
    await turn();
    await turn();
    expect(isAnswered).toBe(false);
    database.commits[0]!.release();
    await answer;
  });

  it('gathers what comes while its transactions are under way', async () => {
    const { database, lane, batches } = setup({ maxInFlight: 2 });
    const all: Promise<number>[] = [];
    for (let value = 1; value <= 10; value += 1) {
      all.push(lane.submit(item(value)));
      await turn();
    }
    expect(batches).toEqual([[1], [2]]);
    database.isHeld = false;
    database.commits[0]!.release();
    await all[0];
    await eventually(() => batches.length === 3);
    expect(batches[2]).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    database.commits[1]!.release();
    await Promise.all(all);
  });

  it('never takes more rows than it may, and a heavier item alone', async () => {
    const { database, group, run, organizationOf, batches } = setup({
      maxRows: 10,
      maxInFlight: 1,
    });
    const weighed = group.lane<Item, number>({
      name: 'test.weighed',
      organizationOf,
      run,
      weigh: ({ value }) => value,
    });
    database.isHeld = false;
    await Promise.all([4, 6, 1, 99, 3].map((value) => weighed.submit(item(value))));
    expect(batches).toEqual([[4, 6], [1], [99], [3]]);
  });

  it('gives a refusal to its caller alone', async () => {
    const { database, lane } = setup();
    database.isHeld = false;
    const outcomes = await Promise.allSettled([1, 0, 3].map((value) => lane.submit(item(value))));
    expect(outcomes).toMatchObject([{ value: 2 }, { reason: { code: 'CONFLICT' } }, { value: 6 }]);
  });

  it('lets a row that the database refuses fail alone', async () => {
    const { database, lane } = setup();
    database.isHeld = false;
    const values = Array.from({ length: 33 }, (_, n) => (n === 20 ? -1 : n + 1));
    const outcomes = await Promise.allSettled(values.map((value) => lane.submit(item(value))));
    for (const [index, outcome] of outcomes.entries()) {
      if (index === 20) expect(outcome).toMatchObject({ reason: { code: 'DATABASE_ERROR' } });
      else expect(outcome).toEqual({ status: 'fulfilled', value: values[index]! * 2 });
    }
    // Halving, not one by one.
    expect(database.commits.length).toBeLessThan(15);
  });

  it('fails a whole group when that is nobody’s fault, without trying again', async () => {
    const { database, group, organizationOf } = setup();
    database.isHeld = false;
    const lane = group.lane<Item, number>({
      name: 'test.away',
      organizationOf,
      run: async () => Promise.reject(new AppError('SERVICE_UNAVAILABLE')),
    });
    const outcomes = await Promise.allSettled([1, 2, 3].map((value) => lane.submit(item(value))));
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ reason: { code: 'SERVICE_UNAVAILABLE' } });
    }
    expect(database.commits).toHaveLength(1);
  });

  it('goes on after a failure', async () => {
    const { database, lane } = setup();
    database.isHeld = false;
    await expect(lane.submit(item(-1))).rejects.toThrow();
    expect(await lane.submit(item(1))).toBe(2);
  });

  it('lets kinds of calls share a transaction, and keeps their answers and failures apart', async () => {
    const { database, group, lane, organizationOf, run } = setup();
    database.isHeld = false;
    const other = group.lane<Item, number>({ name: 'test.other', organizationOf, run });
    const outcomes = await Promise.allSettled([
      lane.submit(item(1, 'a')),
      other.submit(item(2, 'b')),
      lane.submit(item(3, 'a')),
    ]);
    expect(outcomes).toMatchObject([{ value: 2 }, { value: 4 }, { value: 6 }]);
    expect(database.commits).toHaveLength(1);
    expect([...database.commits[0]!.organizations].sort()).toEqual(['a', 'b']);
    const mixed = await Promise.allSettled([
      lane.submit(item(5)),
      other.submit(item(-1)),
      other.submit(item(6)),
    ]);
    expect(mixed).toMatchObject([
      { value: 10 },
      { reason: { code: 'DATABASE_ERROR' } },
      { value: 12 },
    ]);
  });

  it('refuses callers when too many wait, and takes them again afterwards', async () => {
    const { database, lane } = setup({ maxWaiting: 3, maxInFlight: 1 });
    const first = lane.submit(item(1));
    await turn();
    const waiting = [2, 3, 4].map((value) => lane.submit(item(value)));
    await expect(lane.submit(item(5))).rejects.toMatchObject({
      code: 'RATE_LIMIT_EXCEEDED',
      retryAfterSecs: 1,
    });
    database.isHeld = false;
    database.commits[0]!.release();
    expect(await Promise.all([first, ...waiting])).toEqual([2, 4, 6, 8]);
    expect(await lane.submit(item(6))).toBe(12);
  });

  describe('of one organization', () => {
    function setupByOrganization(options: Partial<GroupCommitOptions> = {}) {
      const own = setup(options);
      own.database.isByOrganization = true;
      return own;
    }

    it('takes no call of another one along', async () => {
      const { database, group, lane, organizationOf, run, batches } = setupByOrganization();
      database.isHeld = false;
      const other = group.lane<Item, number>({ name: 'test.other', organizationOf, run });
      const answers = await Promise.all([
        ...[1, 2, 3, 4].map((value) => lane.submit(item(value, value % 2 === 0 ? 'a' : 'b'))),
        other.submit(item(5, 'a')),
      ]);
      expect(answers).toEqual([2, 4, 6, 8, 10]);
      expect(database.commits.map(({ organizations }) => organizations)).toEqual([['b'], ['a']]);
      expect(batches).toEqual([[1, 3], [2, 4], [5]]);
    });

    it('gathers what comes meanwhile, and lets organizations take turns', async () => {
      const { database, lane } = setupByOrganization({ maxInFlight: 1, maxRows: 2 });
      const first = ['a', 'b'].map((each) => lane.submit(item(1, each)));
      await eventually(() => database.commits.length === 2);
      const later = [1, 2, 3, 4].flatMap((value) =>
        ['a', 'b'].map((each) => lane.submit(item(value, each))),
      );
      await turn();
      expect(database.commits).toHaveLength(2);
      database.isHeld = false;
      for (const { release } of database.commits) release();
      await Promise.all([...first, ...later]);
      const served = database.commits.map(({ organizations }) => organizations[0]);
      expect(served).toHaveLength(6);
      expect(served.slice(2, 4).sort()).toEqual(['a', 'b']);
    });

    it('has a few transactions under way, however many organizations wait', async () => {
      const { database, lane } = setupByOrganization();
      const names = Array.from({ length: 50 }, (_, n) => `org-${n}`);
      const answers = names.map((name) => lane.submit(item(1, name)));
      await eventually(() => database.commits.length === 5);
      for (let n = 0; n < 5; n += 1) await turn();
      expect(database.commits).toHaveLength(5);
      database.isHeld = false;
      for (const { release } of database.commits) release();
      await Promise.all(answers);
      expect(database.commits.map(({ organizations }) => organizations[0])).toEqual(names);
    });
  });

  it('tells how large its groups are', async () => {
    const { database, lane, metrics } = setup();
    database.isHeld = false;
    await Promise.all([1, 2, 3].map((value) => lane.submit(item(value))));
    expect(await metrics.exposition()).toMatch(
      /spooled_group_commit_rows_sum\{statement="test.double"\} 3/,
    );
  });
});
