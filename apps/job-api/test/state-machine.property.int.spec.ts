import fc from 'fast-check';
import { Crash } from './model-crash.js';
import { anyCrowd, CrowdRun } from './model-crowd.js';
import { Model } from './model-jobs.js';
import { LoopBells } from './model-loops.js';
import { Room } from './model-room.js';
import { anyStep } from './model-steps.js';
import { World } from './setup.js';

/** `PROPERTY_RUNS=300` looks longer, `PROPERTY_SEED` looks at one history again; a failure prints its seed and path. */
const { PROPERTY_RUNS = '20', PROPERTY_SEED } = process.env;
const numRuns = Number(PROPERTY_RUNS);
const seed = PROPERTY_SEED === undefined ? {} : { seed: Number(PROPERTY_SEED) };
/** A busy machine makes fewer runs instead of a late end. */
const budgetMs = numRuns * 1200;

const environment = { LEASE_REAP_INTERVAL_MS: '1000' };
const loops = LoopBells.watch();
let world: World;
let crash: Crash;
beforeAll(async () => {
  world = await World.setup({ environment });
  crash = await Crash.prepare(world);
});
afterAll(() => world.stop());

async function restart(): Promise<void> {
  await world.context.close();
  await world.boot(environment);
}

/** A tenant of its own for each run. */
const room = () => new Room(world.key(), loops, crash, restart);

/** Checks the property until the budget is spent; what has begun is finished. */
async function holds<T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<void>) {
  const endsAt = performance.now() + budgetMs;
  const inTime = async (value: T) => {
    if (performance.now() < endsAt) await check(value);
  };
  await fc.assert(fc.asyncProperty(arbitrary, inTime), { numRuns, ...seed });
}

it(
  'follows the state machine in any order of commands, over lost connections and restarts',
  async () => {
    const history = fc.record({
      maxJobs: fc.constantFrom(2, 6, 60),
      steps: fc.commands([anyStep], { maxCommands: 100, size: 'max' }),
    });
    await holds(history, ({ maxJobs, steps }) =>
      fc.asyncModelRun(() => ({ model: new Model(maxJobs), real: room() }), steps),
    );
  },
  budgetMs + 180_000,
);

it(
  'keeps its promises while many callers do everything at once, over lost connections and restarts',
  async () => {
    await holds(anyCrowd, async (crowd) => {
      const run = new CrowdRun(room(), crowd);
      await run.run();
      expect(await run.brokenPromises()).toEqual([]);
    });
  },
  budgetMs + 180_000,
);
