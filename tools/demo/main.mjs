/**
 * `npm run demo [-- --rate <jobs per second>]`: fills a running Spooled with what a shop would do, until Ctrl-C. The
 * server is that of SPOOLED_URL with SPOOLED_API_KEY, otherwise the one of `npm start` beside it.
 */
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { SpooledClient, SpooledError, SpooledWorker } from '../../libs/sdk/dist/index.js';
import { apiKey, baseUrl } from './local-key.mjs';
import { chance, nextQueue, orderWorkflow, queues, schedules, work } from './shop.mjs';

const MAX_RATE = 100;
const ORDER_EVERY_MS = 15_000;
/** A queue is paused now and then, so that something piles up. */
const PAUSE_EVERY_MS = 90_000;
const PAUSED_MS = 15_000;

const { values } = parseArgs({ options: { rate: { type: 'string', default: '6' } } });
const rate = Math.min(MAX_RATE, Math.max(0.1, Number(values.rate) || 6));
const stop = new AbortController();
let lastProblem;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());

try {
  await run();
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

async function run() {
  const client = new SpooledClient({ baseUrl, apiKey: await apiKey() });
  await client.jobs.stats({ signal: stop.signal });
  await makeSchedules(client);
  const workers = queues.flatMap((queue) =>
    Array.from({ length: queue.workers }, (_, index) => workerOf(client, queue, index + 1)),
  );
  for (const worker of workers) await told(`a worker`, () => worker.start());
  console.log(
    `About ${rate} jobs a second into ${queues.length} queues of ${baseUrl}. Ctrl-C ends it.`,
  );
  await Promise.all([
    forever(
      () => 1000 / rate,
      () => enqueue(client),
    ),
    forever(
      () => ORDER_EVERY_MS,
      () => client.workflows.create(orderWorkflow()),
    ),
    forever(
      () => PAUSE_EVERY_MS,
      () => pauseForAWhile(client),
      PAUSE_EVERY_MS,
    ),
  ]);
  console.log('Ending: jobs at work are finished or given back.');
  await Promise.all(workers.map((worker) => worker.stop()));
}

async function makeSchedules(client) {
  const known = new Set((await client.schedules.list()).map(({ name }) => name));
  for (const schedule of schedules.filter(({ name }) => !known.has(name))) {
    await told(`the schedule ${schedule.name}`, () => client.schedules.create(schedule));
  }
}

function workerOf(client, queue, number) {
  const worker = new SpooledWorker(client, {
    queueName: queue.name,
    concurrency: queue.concurrency,
    hostname: `${queue.name}-${number}`,
    workerType: 'demo',
    shutdownTimeoutMs: 5000,
  });
  worker.process((context) =>
    work(queue, context, (ms, signal) => delay(ms, undefined, { signal })),
  );
  return worker;
}

function enqueue(client) {
  const { name, payload, priority, maxRetries } = nextQueue();
  return client.jobs.create({
    queueName: name,
    payload: payload(),
    priority: priority?.() ?? 0,
    maxRetries,
    tags: { source: 'demo' },
    ...(chance(0.05) && { scheduledAt: new Date(Date.now() + 30_000) }),
  });
}

async function pauseForAWhile(client) {
  const { name } = queues[1];
  await client.queues.pause(name, 'Storage is being moved');
  await delay(PAUSED_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  await client.queues.resume(name);
}

/** Does it again and again until the end; what fails is said and gone on after. */
async function forever(intervalMs, step, firstAfterMs = 0) {
  const wait = (ms) => delay(ms, undefined, { signal: stop.signal }).catch(() => undefined);
  await wait(firstAfterMs);
  while (!stop.signal.aborted) {
    await told('the shop', step);
    await wait(intervalMs());
  }
}

/** A problem is said once, not with every job. */
async function told(what, step) {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof SpooledError)) throw error;
    const problem = `${what}: ${error.message} (${error.code})`;
    if (problem !== lastProblem) console.error(problem);
    lastProblem = problem;
  }
}
