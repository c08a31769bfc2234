import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { anotherInstallation, createOrganization, startServer } from './environment.mjs';
import { percentiles } from './http-load.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const RATE = 200;
const BAR_MS = 1000;
/** A crowd of endpoints, of which one in ten never answers. */
const ORGANIZATIONS = 100;
const PER_ORGANIZATION = 10;
const CROWD_RATE = 20;
const BACKLOG = 10_000;
const PER_CALL = 100;

/** How soon an event is on the wire to its receivers, also beside receivers that hang, and how fast one can be served. */
export async function benchWebhooks(environment, report) {
  const installation = await anotherInstallation(environment, 'webhooks');
  const server = await startServer(installation);
  const receiver = await startReceiver();
  try {
    await benchDelay(server, receiver, report);
    await benchCrowd(server, receiver, report);
    await benchRate(server, receiver, report);
  } finally {
    await receiver.stop();
    await server.stop();
  }
}

async function benchDelay(server, receiver, report) {
  const { key } = await createOrganization(server, 'webhooks-delay');
  await createWebhook(server, key, `${receiver.url}/delay`);
  const answered = await enqueueAtRate(server, [key], RATE);
  const delays = await delaysOf(answered, () => receiver.jobs('/delay'), 1);
  report(`${RATE} events/s, committed → first attempt`, percentiles(delays), [bar(delays)]);
}

async function benchCrowd(server, receiver, report) {
  const keys = [];
  for (let index = 0; index < ORGANIZATIONS; index += 1) {
    const { key } = await createOrganization(server, `webhooks-crowd-${index}`);
    keys.push(key);
    for (let number = 0; number < PER_ORGANIZATION; number += 1) {
      await createWebhook(server, key, `${receiver.url}/${number === 0 ? 'hang' : 'crowd'}`);
    }
  }
  const answered = await enqueueAtRate(server, keys, CROWD_RATE);
  const delays = await delaysOf(answered, () => receiver.jobs('/crowd'), PER_ORGANIZATION - 1);
  const endpoints = ORGANIZATIONS * PER_ORGANIZATION;
  report(
    `${endpoints} endpoints, 10 % hanging (${receiver.hanging()} requests open), to the others`,
    percentiles(delays),
    [bar(delays)],
  );
}

async function benchRate(server, receiver, report) {
  const { key } = await createOrganization(server, 'webhooks-rate');
  await createWebhook(server, key, `${receiver.url}/rate`);
  const jobs = Array.from({ length: PER_CALL }, () => ({ payload: {} }));
  for (let sent = 0; sent < BACKLOG; sent += PER_CALL) {
    await call(server, key, '/jobs/bulk', { queue_name: 'bench', jobs });
  }
  await until(() => receiver.jobs('/rate').length >= BACKLOG);
  const times = receiver.jobs('/rate').map(({ at }) => at);
  // The first tenth is for finding out that the receiver is fast.
  const [from, to] = [times[BACKLOG / 10], times.at(-1)];
  report('to one fast receiver', { rate: (BACKLOG * 0.9) / ((to - from) / 1000) });
}

/** Milliseconds from the answer to each enqueue to each request that tells of it; one that came before counts as zero. */
async function delaysOf(answered, received, perJob) {
  await until(() => received().length >= answered.size * perJob);
  return received()
    .filter(({ job }) => answered.has(job))
    .map(({ job, at }) => Math.max(0, at - answered.get(job)));
}

function bar(delays) {
  return [`of ${BAR_MS} ms at p99 (inverse)`, BAR_MS / percentiles(delays).p99, 1];
}

async function enqueueAtRate(server, keys, rate) {
  const answered = new Map();
  const pending = [];
  const startedAt = performance.now();
  for (let sent = 0; sent < rate * SECONDS; sent += 1) {
    const dueIn = startedAt + (sent * 1000) / rate - performance.now();
    if (dueIn > 0) await sleep(dueIn);
    const job = { queue_name: 'bench', payload: {} };
    pending.push(
      call(server, keys[sent % keys.length], '/jobs', job).then(({ id }) =>
        answered.set(id, performance.now()),
      ),
    );
  }
  await Promise.all(pending);
  return answered;
}

function createWebhook(server, key, url) {
  return call(server, key, '/outgoing-webhooks', {
    name: 'bench',
    url,
    events: ['job.created'],
    secret: 'secret',
  });
}

async function call({ port }, key, path, body) {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function startReceiver() {
  const seen = new Map();
  let hanging = 0;
  const server = createServer((request, response) => {
    const at = performance.now();
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      if (request.url === '/hang') {
        hanging += 1;
        response.on('close', () => (hanging -= 1));
        return;
      }
      const job = JSON.parse(text).data.job_id;
      if (!seen.has(request.url)) seen.set(request.url, []);
      seen.get(request.url).push({ job, at });
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    jobs: (path) => seen.get(path) ?? [],
    hanging: () => hanging,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function until(condition) {
  const deadline = performance.now() + 120_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('deliveries are missing');
    await sleep(20);
  }
}
