import { Database, type Statement, type Transaction } from '@spooled/postgres';
import { jest } from '@jest/globals';
import { brokenPromises } from './model-invariants.js';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup({ environment: { GROUP_COMMIT_BY_ORGANIZATION: 'true' } });
});
afterAll(() => world.stop());

/** Organizations that each transaction was for, and those that the statements in it named. */
interface Seen {
  readonly organizations: readonly string[];
  readonly named: Set<unknown>;
}

/** Looks at every transaction of the service from here on. */
function watchTransactions(): Seen[] {
  const seen: Seen[] = [];
  const original = Database.prototype.transaction;
  jest.spyOn(Database.prototype, 'transaction').mockImplementation(function (
    this: Database,
    organizations,
    work,
  ) {
    const named = new Set<unknown>();
    seen.push({ organizations, named });
    // In every statement the first parameter is the organization, or the list of them.
    const note = (values: readonly unknown[] = []) =>
      [values[0]].flat().forEach((each) => named.add(each));
    return original.call(this, organizations, (transaction) => {
      const watched: Transaction = {
        query: <R>(statement: Statement, values?: readonly unknown[]) => {
          note(values);
          return transaction.query<R>(statement, values);
        },
        send: (statement, values, received) => {
          note(values);
          transaction.send(statement, values, received);
        },
        beforeCommit: (run, order) => transaction.beforeCommit(run, order),
        afterCommit: (run) => transaction.afterCommit(run),
      };
      return work(watched);
    });
  });
  return seen;
}

/** Twenty jobs through their life, by four workers at once, half of the jobs with a key that is sent twice. */
async function work(tenant: Tenant): Promise<void> {
  await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      tenant.enqueue(n < 20 ? { idempotency_key: `key-${n % 10}` } : {}),
    ),
  );
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let jobs = await tenant.claim({ limit: 3 }); jobs.length > 0;) {
        await Promise.all(
          jobs.map((job, n) => {
            const proof = { lease_id: job.lease_id };
            return n === 0 ? tenant.renew(job.id, proof) : tenant.complete(job.id, proof);
          }),
        );
        await tenant.complete(jobs[0]!.id, { lease_id: jobs[0]!.lease_id });
        jobs = await tenant.claim({ limit: 3 });
      }
    }),
  );
}

describe('group commit by organization', () => {
  it('serves one organization with each transaction, and each as well as ever', async () => {
    // Some with limits: theirs go through locks and counts first.
    const tenants = Array.from({ length: 6 }, (_, n) =>
      world.key(n % 2 === 0 ? {} : { plan: { max_active_jobs: 1000 } }),
    );
    const seen = watchTransactions();
    try {
      await Promise.all(tenants.map(work));
    } finally {
      jest.restoreAllMocks();
    }
    for (const tenant of tenants) {
      expect(await tenant.stats()).toMatchObject({ completed: 20, pending: 0, processing: 0 });
      expect(await brokenPromises(tenant)).toEqual([]);
    }
    expect(seen.length).toBeGreaterThan(tenants.length);
    for (const { organizations, named } of seen) {
      expect(organizations).toHaveLength(1);
      expect([...named]).toEqual([...organizations]);
    }
    // Together still: far fewer transactions than calls.
    expect(seen.length).toBeLessThan(tenants.length * 60);
  });
});
