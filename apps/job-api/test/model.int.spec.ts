import type { JobStats, JobStatus } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import fc from 'fast-check';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup({ environment: { LEASE_REAP_INTERVAL_MS: '50' } });
});
afterAll(() => world.stop());

/** What the documentation says a job is: the whole of it, in memory. */
interface ModelJob {
  readonly id: string;
  readonly queue: string;
  readonly maxRetries: number;
  priority: number;
  status: JobStatus;
  /** Pending without being claimable: it backs off. */
  isBackingOff: boolean;
  retryCount: number;
  rev: number;
  worker: string | undefined;
  /** Place in the order of creation. */
  readonly turn: number;
}

const queues = ['a', 'b'];
const workers = ['w-1', 'w-2'];
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('enqueue' as const),
      queue: fc.constantFrom(...queues),
      priority: fc.integer({ min: -2, max: 2 }),
      maxRetries: fc.integer({ min: 0, max: 2 }),
      isScheduled: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      queue: fc.constantFrom(...queues),
      worker: fc.constantFrom(...workers),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'complete' as const,
        'fail' as const,
        'renew' as const,
        'cancel' as const,
        'retry' as const,
        'expire' as const,
        'due' as const,
        'priority' as const,
      ),
      /** Which of the jobs so far; settling prefers leased ones. */
      pick: fc.nat(),
      worker: fc.constantFrom(...workers),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;

class Run {
  readonly jobs: ModelJob[] = [];
  #turn = 0;

  constructor(readonly tenant: Tenant) {}

  async step(given: Command): Promise<void> {
    if (given.kind === 'enqueue') await this.#enqueue(given);
    else if (given.kind === 'claim') await this.#claim(given);
    else if (this.jobs.length > 0) await this.#act(given);
  }

  async #enqueue(given: Extract<Command, { kind: 'enqueue' }>): Promise<void> {
    const id = await this.tenant.enqueue({
      queue_name: given.queue,
      priority: given.priority,
      max_retries: given.maxRetries,
      ...(given.isScheduled ? { scheduled_at: '2090-01-01T00:00:00Z' } : {}),
    });
    this.jobs.push({
      id,
      queue: given.queue,
      priority: given.priority,
      maxRetries: given.maxRetries,
      status: given.isScheduled ? 'scheduled' : 'pending',
      isBackingOff: false,
      retryCount: 0,
      rev: 1,
      worker: undefined,
      turn: this.#nextTurn(),
    });
  }

  async #claim(given: Extract<Command, { kind: 'claim' }>): Promise<void> {
    const expected = this.jobs
      .filter((job) => job.status === 'pending' && !job.isBackingOff && job.queue === given.queue)
      .sort((a, b) => b.priority - a.priority || a.turn - b.turn)
      .slice(0, given.limit);
    const claimed = await this.tenant.claim({
      queue_name: given.queue,
      worker_id: given.worker,
      limit: given.limit,
      lease_duration_secs: 3600,
    });
    expect(claimed.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    for (const [index, job] of expected.entries()) {
      expect(claimed[index]).toMatchObject({ retry_count: job.retryCount, priority: job.priority });
      this.#move(job, 'processing');
      job.worker = given.worker;
    }
  }

  async #act({ kind, pick, worker }: Exclude<Command, { kind: 'enqueue' | 'claim' }>) {
    const wanted: Record<typeof kind, (job: ModelJob) => boolean> = {
      complete: ({ status }) => status === 'processing',
      fail: ({ status }) => status === 'processing',
      renew: ({ status }) => status === 'processing',
      expire: ({ status }) => status === 'processing',
      cancel: () => true,
      retry: ({ status }) => status === 'deadletter',
      due: (job) => job.status === 'scheduled' || job.isBackingOff,
      priority: () => true,
    };
    const fitting = this.jobs.filter(wanted[kind]);
    // One time in four any job will do, so that refusals are met as well.
    const among = pick % 4 === 0 || fitting.length === 0 ? this.jobs : fitting;
    const job = among[pick % among.length]!;
    const { tenant } = this;
    const isHeld = job.status === 'processing' && job.worker === worker;
    if (kind === 'complete') {
      const { status } = await tenant.complete(job.id, { worker_id: worker });
      expect(status).toBe(isHeld ? 200 : this.#refusal(job, worker));
      if (isHeld) this.#move(job, 'completed');
    } else if (kind === 'fail') {
      const { status, body } = await tenant.fail(job.id, { worker_id: worker });
      expect(status).toBe(isHeld ? 200 : this.#refusal(job, worker));
      if (isHeld) {
        const willRetry = job.retryCount < job.maxRetries;
        expect(body['will_retry']).toBe(willRetry);
        this.#move(job, willRetry ? 'pending' : 'deadletter');
        job.isBackingOff = willRetry;
        job.retryCount += willRetry ? 1 : 0;
      }
    } else if (kind === 'renew') {
      const { status } = await tenant.renew(job.id, {
        worker_id: worker,
        lease_duration_secs: 3600,
      });
      expect(status).toBe(isHeld ? 200 : this.#refusal(job, worker));
    } else if (kind === 'cancel') {
      const canBe = job.status === 'pending' || job.status === 'scheduled';
      expect((await tenant.cancel(job.id)).status).toBe(canBe ? 204 : 409);
      if (canBe) this.#move(job, 'cancelled');
    } else if (kind === 'retry') {
      const canBe = job.status === 'deadletter';
      const { status } = await tenant.call('POST', `/jobs/${job.id}/retry`);
      expect(status).toBe(canBe ? 200 : 409);
      if (canBe) {
        this.#move(job, 'pending');
        Object.assign(job, { retryCount: 0, worker: undefined });
      }
    } else if (kind === 'priority') {
      const canBe = job.status === 'pending' || job.status === 'scheduled';
      const priority = (pick % 5) - 2;
      const { status } = await tenant.call('PUT', `/jobs/${job.id}/priority`, { priority });
      expect(status).toBe(canBe ? 200 : 404);
      if (canBe) job.priority = priority;
    } else if (kind === 'expire' && job.status === 'processing') {
      await tenant.expireLease(job.id);
      await eventually(async () => (await tenant.statusOf(job.id)) !== 'processing');
      const hasBudget = job.retryCount < job.maxRetries;
      this.#move(job, hasBudget ? 'pending' : 'deadletter');
      job.retryCount += hasBudget ? 1 : 0;
    } else if (kind === 'due' && (job.status === 'scheduled' || job.isBackingOff)) {
      await tenant.makeDue(job.id);
      await eventually(async () => {
        const { rowCount } = await world.owner.query('select from jobs.job_ready where id = $1', [
          job.id,
        ]);
        return rowCount === 1;
      });
      if (job.status === 'scheduled') this.#move(job, 'pending');
      else job.isBackingOff = false;
    }
  }

  /** The contract's table of misses. */
  #refusal(job: ModelJob, worker: string): number {
    return job.worker === worker ? 409 : 404;
  }

  #move(job: ModelJob, status: JobStatus): void {
    Object.assign(job, { status, isBackingOff: false, rev: job.rev + 1 });
  }

  #nextTurn(): number {
    this.#turn += 1;
    return this.#turn;
  }

  /** Everything that can be seen agrees with the model: jobs, counts of counters and of tables, and the event log. */
  async check(): Promise<void> {
    const { tenant, jobs } = this;
    const counted = { failed: 0, total: jobs.length } as JobStats;
    for (const status of [
      'pending',
      'scheduled',
      'processing',
      'completed',
      'deadletter',
      'cancelled',
    ] as const) {
      counted[status] = jobs.filter((job) => job.status === status).length;
    }
    expect(await tenant.stats()).toEqual(counted);
    const { rows } = await world.owner.query<{ status: keyof JobStats; count: number }>(
      `select status, count(*)::int as count from jobs.job_state where organization_id = $1 group by status`,
      [tenant.organizationId],
    );
    for (const { status, count } of rows) expect(count).toBe(counted[status]);
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(jobs.length);

    const events = await tenant.events();
    for (const job of jobs) {
      expect(await tenant.job(job.id)).toMatchObject({
        status: job.status,
        retry_count: job.retryCount,
        priority: job.priority,
      });
      let rev = 0;
      let status = '';
      for (const { type, data } of events) {
        if (!('job_id' in data) || data.job_id !== job.id) continue;
        if (type === 'JobCreated') {
          expect(data.rev).toBe(1);
          status = data.status;
        } else if (type === 'JobStatusChange') {
          expect(data.rev).toBe(rev + 1);
          expect(data.old_status).toBe(status);
          status = data.new_status;
        } else expect(data.rev).toBe(rev);
        rev = data.rev;
      }
      expect({ rev, status }).toEqual({ rev: job.rev, status: job.status });
    }
  }
}

it('behaves as the state machine says, whatever is asked in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 40, maxLength: 120, size: 'max' }),
      async (commands) => {
        const run = new Run(world.key());
        for (const given of commands) await run.step(given);
        await run.check();
      },
    ),
    { numRuns: 12, endOnFailure: true },
  );
}, 90_000);

it('counts exactly while many callers do everything at once', async () => {
  const tenant = world.key();
  const random = (n: number) => Math.floor(Math.random() * n);
  const worker = async (name: string): Promise<void> => {
    for (let turn = 0; turn < 15; turn += 1) {
      const queue_name = queues[random(2)];
      const id = await tenant.enqueue({ queue_name, max_retries: random(2) });
      if (random(4) === 0) await tenant.cancel(id);
      const claimed = await tenant.claim({ queue_name, worker_id: name, limit: 1 + random(3) });
      for (const job of claimed) {
        const act = random(4);
        if (act < 2) await tenant.complete(job.id, { worker_id: name });
        else if (act === 2) await tenant.fail(job.id, { worker_id: name });
        else if (random(2) === 0) await tenant.expireLease(job.id);
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, n) => worker(`w-${n}`)));
  // The reaper is still at work: the three agree as soon as it is done.
  await eventually(async () => {
    const { rows } = await world.owner.query<{ status: keyof JobStats; count: number }>(
      `select status, count(*)::int as count from jobs.job_state where organization_id = $1 group by status`,
      [tenant.organizationId],
    );
    const stored = Object.fromEntries(rows.map(({ status, count }) => [status, count]));
    const stats = await tenant.stats();
    const counted = Object.fromEntries(
      Object.entries(stats).filter(([status, count]) => status !== 'total' && count > 0),
    );
    expect(counted).toEqual(stored);
    expect(stats.total).toBe(16 * 15);
    // The log tells the same numbers.
    const told = new Map<string, string>();
    for (const { type, data } of await tenant.events()) {
      if (type === 'JobCreated') told.set(data.job_id, data.status);
      if (type === 'JobStatusChange') told.set(data.job_id, data.new_status);
    }
    const tally: Record<string, number> = {};
    for (const status of told.values()) tally[status] = (tally[status] ?? 0) + 1;
    expect(tally).toEqual(stored);
  });
}, 60_000);
