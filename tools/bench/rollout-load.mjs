// What an application does: makes jobs at a pace, works on them, and follows its queues, through the TypeScript client.
import { SpooledClient } from '@spooled/sdk';
import { setTimeout as sleep } from 'node:timers/promises';

const RETRY_MS = 50;
const SETTLE_MS = 60_000;

let isProducing = true;
let isWorking = true;
/** Calls that failed, by what they were told. */
const failures = new Map();
const queues = [];

process.once('disconnect', () => process.exit());
process.on('message', (message) => {
  if (message === 'count') process.send({ completed: sum(({ completed }) => completed.size) });
  else if (message === 'end') void end();
  else void begin(message);
});

async function begin({ authUrl, jobsUrl, streamsUrl, apiKey, ...load }) {
  const { queueCount, jobsPerSecond, streamsPerQueue } = load;
  const client = new SpooledClient({ baseUrl: jobsUrl, apiKey });
  const { auth } = new SpooledClient({ baseUrl: authUrl, apiKey });
  const getTicket = async () => (await auth.createTicket()).ticket;
  const watcher = new SpooledClient({ baseUrl: streamsUrl, getTicket });
  for (let index = 0; index < queueCount; index += 1) {
    const queue = { name: `rollout-${index + 1}`, created: new Set(), completed: new Map() };
    queue.streams = Array.from({ length: streamsPerQueue }, (_, number) =>
      follow(watcher, queue.name, number % 2 === 0 ? 'ws' : 'sse'),
    );
    queues.push(queue);
  }
  await Promise.all(queues.flatMap(({ streams }) => streams.map(({ live }) => live)));
  for (const queue of queues) {
    queue.producing = produce(client, queue, (1000 * queueCount) / jobsPerSecond);
    queue.working = [1, 2].map((number) => work(client, queue, `${queue.name}-${number}`));
  }
  process.send({ begun: true });
}

/** A stream, with how often it saw each job's end. */
function follow(client, queue, transport) {
  const seen = new Map();
  const feed = client.events({ queue, transport, events: ['job.completed'] });
  const { promise: live, resolve } = Promise.withResolvers();
  const stream = { seen, live, gaps: 0, reconnects: 0 };
  feed.onStateChange((state) => {
    if (state === 'live') resolve();
    if (state === 'reconnecting') stream.reconnects += 1;
  });
  void (async () => {
    for await (const { type, data } of feed) {
      if (type === 'gap') stream.gaps += 1;
      else if (type === 'job.completed') seen.set(data.jobId, (seen.get(data.jobId) ?? 0) + 1);
    }
  })();
  return stream;
}

async function produce(client, { name, created }, pauseMs) {
  await sleep(Math.random() * pauseMs);
  for (let dueAt = performance.now(); isProducing; dueAt += pauseMs) {
    await sleep(Math.max(0, dueAt - performance.now()));
    const job = await attempt('create', () =>
      client.jobs.create({ queueName: name, payload: { to: 'someone@example.com' } }),
    );
    if (job !== undefined) created.add(job.id);
  }
}

async function work(client, { name, completed }, workerId) {
  while (isWorking) {
    const claimed = await attempt('claim', () =>
      client.jobs.claim({
        queueName: name,
        workerId,
        limit: 10,
        leaseDurationSecs: 10,
        waitSecs: 1,
      }),
    );
    for (const { id, leaseId } of claimed?.jobs ?? []) {
      let isDone = false;
      while (!isDone && isWorking) {
        const answer = await attempt('complete', () =>
          client.jobs.complete(id, { workerId, leaseId }).catch((error) => {
            // The answer to an earlier attempt was lost, or the lease was.
            if (error.status === 409 || error.status === 404) return { isOver: true };
            throw error;
          }),
        );
        isDone = answer !== undefined;
        if (isDone && !answer.isOver) completed.set(id, (completed.get(id) ?? 0) + 1);
      }
    }
  }
}

/** `undefined` when the call failed, after a pause. "Not now" is an answer, not a failure. */
async function attempt(name, call) {
  try {
    return await call();
  } catch (error) {
    const what = `${name} ${error.status ?? error.code ?? error.name}`;
    failures.set(what, (failures.get(what) ?? 0) + 1);
    await sleep(RETRY_MS);
    return undefined;
  }
}

async function end() {
  isProducing = false;
  await Promise.all(queues.map(({ producing }) => producing));
  const deadline = performance.now() + SETTLE_MS;
  const lost = () => sum(({ created, completed }) => missing(created, completed));
  const unseen = () =>
    sum(({ created, streams }) =>
      streams.reduce((total, { seen }) => total + missing(created, seen), 0),
    );
  while (lost() + unseen() > 0 && performance.now() < deadline) await sleep(100);
  isWorking = false;
  const twice = (counts) => [...counts.values()].filter((count) => count > 1).length;
  const streams = queues.flatMap((queue) => queue.streams);
  process.send({
    result: {
      created: sum(({ created }) => created.size),
      lost: lost(),
      twice: sum(({ completed }) => twice(completed)),
      unseen: unseen(),
      seenTwice: streams.reduce((total, { seen }) => total + twice(seen), 0),
      gaps: streams.reduce((total, { gaps }) => total + gaps, 0),
      reconnects: streams.reduce((total, { reconnects }) => total + reconnects, 0),
      failures: Object.fromEntries(failures),
    },
  });
}

function missing(ids, counts) {
  return [...ids].filter((id) => !counts.has(id)).length;
}

function sum(of) {
  return queues.reduce((total, queue) => total + of(queue), 0);
}
