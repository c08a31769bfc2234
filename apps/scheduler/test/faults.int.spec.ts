import { Bus } from '@spooled/nats';
import { postgresServer, eventually, spawnProcess } from '@spooled/testing';
import { fileURLToPath } from 'node:url';
import { DueFirer } from '../src/maintenance/due-firer.js';
import { QueueTeller } from '../src/maintenance/queue-teller.js';
import { World } from './setup.js';

/** A dead bus is noticed and found again within seconds, not milliseconds. */
const RECOVERY = { timeoutMs: 60_000 };
const TEST_LIMIT_MS = 300_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));
/** What is not answered is asked for again soon, and not waited for any longer than the question says. */
const settings = { SCHEDULE_RESEND_AFTER_SECS: '1', BUS_MIN_WAIT_MS: '0' };
const unstopped = new AbortController().signal;

let world: World;
afterEach(() => world.stop());

/** The ids of jobs that were asked for, each once, in order. */
const askedFor = () => [...new Set(world.jobApi.asked)];

describe('while job-api is away', () => {
  it(
    'a fire waits with the id of its job, and later ticks collapse into it',
    async () => {
      world = await World.setup({ settings, withJobApi: false });
      const { organizationId } = world.key();
      const [id] = await world.makeMany(organizationId, 1);
      const tick = await world.makeDue([id!]);
      const run = await eventually(async () => {
        const [first] = await world.runs();
        expect(first).toMatchObject({ status: 'pending' });
        return first!;
      });
      // From now on its ticks go by, one a second.
      await world.owner.query(
        `update schedules.schedule set cron_expression = '* * * * * *', next_run_at = now()`,
      );
      await eventually(async () => {
        const { rows } = await world.owner.query<{ next_run_at: Date }>(
          'select next_run_at from schedules.schedule',
        );
        expect(rows[0]!.next_run_at.getTime()).toBeGreaterThan(tick.getTime() + 3000);
      }, RECOVERY);
      expect(await world.runs()).toEqual([run]);
      expect(
        await world.metric('spooled_schedule_fires_total{outcome="postponed"}'),
      ).toBeGreaterThan(0);

      await world.jobApi.start();
      await eventually(() => expect(world.jobApi.jobs.has(run.id)).toBe(true), RECOVERY);
      await eventually(async () =>
        expect((await world.runs())[0]).toMatchObject({ id: run.id, tick, status: 'completed' }),
      );
      // And on it goes, a job for each further tick.
      await eventually(() => expect(world.jobApi.jobs.size).toBeGreaterThanOrEqual(3), RECOVERY);
      await world.owner.query('update schedules.schedule set is_active = false');
      await eventually(async () => {
        const runs = await world.runs();
        expect(runs.map(({ id }) => id).sort()).toEqual([...world.jobApi.jobs.keys()].sort());
      });
    },
    TEST_LIMIT_MS,
  );

  it(
    'a fire of a schedule that is deleted meanwhile comes to nothing',
    async () => {
      world = await World.setup({ settings, withJobApi: false });
      const { organizationId, credential } = world.key();
      const [id] = await world.makeMany(organizationId, 1);
      await world.makeDue([id!]);
      await eventually(async () =>
        expect(await world.runs()).toMatchObject([{ status: 'pending' }]),
      );
      expect((await world.call(credential, 'DELETE', `/schedules/${id}`)).status).toBe(204);
      await world.jobApi.start();
      await eventually(
        async () =>
          expect(await world.runs()).toMatchObject([
            { status: 'failed', error_message: 'The schedule was deleted.' },
          ]),
        RECOVERY,
      );
      expect(world.jobApi.asked).toEqual([]);
    },
    TEST_LIMIT_MS,
  );

  it(
    'thousands of fires wait, and all of them arrive',
    async () => {
      world = await World.setup({ settings, withJobApi: false, instances: 2 });
      const { organizationId } = world.key();
      const ids = await world.makeMany(organizationId, 2000);
      await world.makeDue(ids);
      await eventually(async () => {
        const runs = await world.runs();
        expect(runs.filter(({ status }) => status === 'pending')).toHaveLength(2000);
      }, RECOVERY);
      await world.jobApi.start();
      await eventually(() => expect(world.jobApi.jobs.size).toBe(2000), RECOVERY);
      expect(
        new Set([...world.jobApi.jobs.values()].map(({ scheduleId }) => scheduleId)).size,
      ).toBe(2000);
    },
    TEST_LIMIT_MS,
  );
});

describe('an answer that is lost', () => {
  it(
    'is asked for again with the same id, and one job comes of it',
    async () => {
      world = await World.setup({ settings });
      const { organizationId } = world.key();
      const ids = await world.makeMany(organizationId, 20);
      // job-api takes the jobs, and its answer never arrives.
      world.jobApi.onAsked = (jobs) => {
        world.jobApi.onAsked = () => undefined;
        world.jobApi.take(jobs);
        return new Promise(() => undefined);
      };
      await world.makeDue(ids);
      await eventually(async () => {
        const runs = await world.runs();
        expect(runs.map(({ status }) => status)).toEqual(ids.map(() => 'completed'));
      }, RECOVERY);
      expect(world.jobApi.asked.length).toBeGreaterThanOrEqual(40);
      expect(askedFor()).toHaveLength(20);
      expect(world.jobApi.jobs.size).toBe(20);
    },
    TEST_LIMIT_MS,
  );
});

describe('a scheduler that is killed between commit and answer', () => {
  it(
    'is replaced: the same jobs are asked for again, and no tick is fired twice',
    async () => {
      world = await World.setup({ settings, instances: 0 });
      const child = await spawnProcess({
        command: process.execPath,
        args: ['apps/scheduler/dist/main.js'],
        cwd: root,
        env: { ...world.environment, LOG_LEVEL: 'warn' },
      });
      const { organizationId } = world.key();
      const ids = await world.makeMany(organizationId, 100);
      world.jobApi.onAsked = async () => {
        world.jobApi.onAsked = () => undefined;
        child.kill('SIGKILL');
        await child.exited;
        return new Promise<never>(() => undefined);
      };
      const tick = await world.makeDue(ids);
      await eventually(() => expect(child.isRunning()).toBe(false), RECOVERY);
      const orphans = await world.runs();
      expect(orphans.map((run) => [run.status, run.tick])).toEqual(
        ids.map(() => ['running', tick]),
      );
      expect(world.jobApi.jobs.size).toBe(0);

      await world.boot();
      await eventually(() => expect(world.jobApi.jobs.size).toBe(100), RECOVERY);
      expect([...world.jobApi.jobs.keys()].sort()).toEqual(orphans.map(({ id }) => id).sort());
      expect(askedFor()).toHaveLength(100);
      await eventually(async () => {
        const runs = await world.runs();
        expect(runs.map(({ status }) => status)).toEqual(ids.map(() => 'completed'));
      });
    },
    TEST_LIMIT_MS,
  );
});

describe('while NATS is away', () => {
  it(
    'ticks wait for it, and fire once when it is back',
    async () => {
      world = await World.setup({ settings });
      const { organizationId } = world.key();
      const [hourly, eachSecond] = [
        ...(await world.makeMany(organizationId, 1)),
        ...(await world.makeMany(organizationId, 1, { cron: '* * * * * *' })),
      ];
      await world.nats.stop();
      await eventually(() => expect(world.context.get(Bus).isConnected).toBe(false));
      await eventually(async () => {
        const before = await world.makeDue([hourly!, eachSecond!], 5);
        await world.context.get(DueFirer).step();
        const { rows } = await world.owner.query<{ next_run_at: Date }>(
          'select next_run_at from schedules.schedule',
        );
        // Nobody who could not pass it on takes a tick.
        expect(rows.map(({ next_run_at }) => next_run_at)).toEqual([before, before]);
      }, RECOVERY);
      const waiting = (await world.runs()).length;
      await world.nats.start();
      await eventually(() => {
        expect(world.jobApi.jobsOf(hourly!)).toHaveLength(1);
        expect(world.jobApi.jobsOf(eachSecond!).length).toBeGreaterThan(2);
      }, RECOVERY);
      const ticks = (await world.runs([eachSecond!])).map((run) => run.tick!.getTime());
      // The five seconds that went by are one fire, not five.
      expect(ticks[waiting + 1]! - ticks[waiting]!).toBeGreaterThanOrEqual(5000);
    },
    TEST_LIMIT_MS,
  );

  it(
    'a fire that was just committed is passed on when it is back',
    async () => {
      world = await World.setup({ settings });
      const { organizationId } = world.key();
      const ids = await world.makeMany(organizationId, 10);
      const killed = new Promise<void>((resolve) => {
        world.jobApi.onAsked = async () => {
          world.jobApi.onAsked = () => undefined;
          await world.nats.kill();
          resolve();
          return new Promise<never>(() => undefined);
        };
      });
      await world.makeDue(ids);
      await killed;
      expect(world.jobApi.asked).toHaveLength(10);
      const runs = await world.runs();
      await world.nats.start();
      await eventually(() => expect(world.jobApi.jobs.size).toBe(10), RECOVERY);
      expect([...world.jobApi.jobs.keys()].sort()).toEqual(runs.map(({ id }) => id).sort());
      expect(askedFor()).toHaveLength(10);
    },
    TEST_LIMIT_MS,
  );
});

describe('while PostgreSQL is away', () => {
  it(
    'nothing is promised, and schedules fire once when it is back',
    async () => {
      const postgres = await postgresServer({ isDurable: true });
      world = await World.setup({ settings, databaseUrl: postgres.urlOf('postgres') });
      const { organizationId, credential } = world.key();
      const ids = await world.makeMany(organizationId, 5, { cron: '* * * * * *' });
      await world.makeDue(ids);
      await eventually(() => expect(world.jobApi.jobs.size).toBeGreaterThanOrEqual(5));
      await postgres.stop('immediate');
      const refused = await world.call(credential, 'GET', '/schedules');
      expect([refused.status, refused.body['code']]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      const failed = 'spooled_loop_steps_total{loop="schedules.due-firer",outcome="failed"}';
      await eventually(
        async () => expect(await world.metric(failed)).toBeGreaterThanOrEqual(2),
        RECOVERY,
      );

      await postgres.start();
      const before = world.jobApi.jobs.size;
      await eventually(() => expect(world.jobApi.jobs.size).toBeGreaterThan(before + 5), RECOVERY);
      await world.owner.query('update schedules.schedule set is_active = false');
      await eventually(async () => {
        const runs = await world.runs();
        expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(['completed']));
        expect(runs.map(({ id }) => id).sort()).toEqual([...world.jobApi.jobs.keys()].sort());
      }, RECOVERY);
    },
    TEST_LIMIT_MS,
  );
});

describe('a word about queues that job-api did not hear', () => {
  it(
    'is said again by the loop, the last one included',
    async () => {
      world = await World.setup({ settings });
      const [some, none] = [world.key(), world.key()];
      const kept = await world.make(some.credential, { queue_name: 'kept' });
      const paused = await world.make(some.credential, { queue_name: 'paused' });
      const deleted = await world.make(none.credential, { queue_name: 'deleted' });
      await world.jobApi.stop();
      await world.call(some.credential, 'POST', `/schedules/${paused}/pause`);
      await world.call(none.credential, 'DELETE', `/schedules/${deleted}`);
      await world.jobApi.start();
      expect(world.jobApi.queues.get(some.organizationId)).toEqual(['kept', 'paused']);
      expect(world.jobApi.queues.get(none.organizationId)).toEqual(['deleted']);

      const teller = world.context.get(QueueTeller);
      await eventually(() => teller.step(unstopped), RECOVERY);
      expect(world.jobApi.queues.get(some.organizationId)).toEqual(['kept']);
      expect(world.jobApi.queues.get(none.organizationId)).toEqual([]);
      // job-api lost what it knew.
      world.jobApi.queues.clear();
      await teller.step(unstopped);
      expect([...world.jobApi.queues]).toEqual([[some.organizationId, ['kept']]]);
      expect((await world.read(some.credential, kept)).is_active).toBe(true);
    },
    TEST_LIMIT_MS,
  );

  it(
    'does not keep the others from being told when a plan has shrunk',
    async () => {
      world = await World.setup({ settings });
      const keys = [world.key(), world.key(), world.key()];
      for (const { credential } of keys) await world.make(credential, { queue_name: 'a' });
      await world.make(keys[1]!.credential, { queue_name: 'b' });
      world.jobApi.queues.clear();
      world.jobApi.maxQueues = 1;
      await world.context.get(QueueTeller).step(unstopped);
      expect([...world.jobApi.queues.keys()].sort()).toEqual(
        [keys[0]!, keys[2]!].map(({ organizationId }) => organizationId).sort(),
      );
    },
    TEST_LIMIT_MS,
  );
});

describe('a scheduler that stops', () => {
  it(
    'finishes what it has begun, also while job-api says nothing',
    async () => {
      world = await World.setup({ settings });
      const { organizationId } = world.key();
      const ids = await world.makeMany(organizationId, 3);
      let answer: () => void = () => undefined;
      world.jobApi.onAsked = () => new Promise((resolve) => (answer = resolve));
      await world.makeDue(ids);
      await eventually(() => expect(world.jobApi.asked).toHaveLength(3));
      const closed = world.close(world.context);
      answer();
      await closed;
      expect((await world.runs()).map(({ status }) => status)).toEqual(ids.map(() => 'completed'));
    },
    TEST_LIMIT_MS,
  );
});
