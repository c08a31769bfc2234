import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { createOrganization, startServer } from './environment.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const SUBSCRIBERS = 1000;
/** Events per second: what a bare loop can still serve on half a core. */
const RATE = 40;
const IDLE_MS = 3000;
/** Before anything is counted: what is measured is the code as it runs, not its compilation. */
const WARM_UP_BURSTS = 20;

/**
 * Deliveries per CPU second of the sending process to 1,000 subscribers, for events that come one by one, and four and
 * sixteen in one turn of the event loop: against a bare `ws` `send()` or `res.write()` loop, and for WebSocket against raw
 * writes of ready frames. The same messages at the same rate; what each process uses while nothing is sent is not counted.
 */
export async function benchFanout(environment, report) {
  for (const [burst, bars] of [
    [1, { bare: 1.4, raw: 0.8 }],
    [4, { bare: 4, raw: 0.8 }],
    [16, { bare: 10, raw: 0.8 }],
  ]) {
    const title = `${burst} per turn (deliveries per CPU second)`;
    const bare = await baseline('ws', burst);
    report(`bare ws send() loop, ${title}`, { rate: bare });
    const raw = await baseline('raw', burst);
    report(`raw writes of ready frames, ${title}`, { rate: raw });
    const ours = await gateway(environment, '/api/v1/ws', burst);
    report(`gateway over WebSocket, ${title}`, { rate: ours }, [
      ['bare loop', ours / bare, bars.bare],
      ['raw writes', ours / raw, bars.raw],
    ]);
    const bareSse = await baseline('sse', burst);
    report(`bare res.write() loop, ${title}`, { rate: bareSse });
    const oursSse = await gateway(environment, '/api/v1/events', burst);
    report(`gateway over SSE, ${title}`, { rate: oursSse }, [
      ['bare loop', oursSse / bareSse, 1.5],
    ]);
  }
}

async function baseline(kind, burst) {
  const server = fork(new URL('./fanout-bare.mjs', import.meta.url), [kind]);
  const port = await answer(server, 'port');
  const usage = async () => {
    server.send('usage');
    return answer(server, 'usage');
  };
  return measure({
    url: { port, path: '/', isSse: kind === 'sse' },
    usage,
    send: () => server.send({ texts: messages(burst).map((event) => JSON.stringify(event)) }),
    burst,
    stop: () => server.kill(),
  });
}

/** A gateway as its own process, beside one that knows the key and the log. */
async function gateway(environment, path, burst) {
  const others = await startServer(environment);
  const server = await startServer(environment, {
    BENCH_ROOM: 'realtime-gateway',
    REALTIME_MAX_WS_PER_ORGANIZATION: '2000',
    REALTIME_MAX_SSE_PER_ORGANIZATION: '2000',
  });
  const { key, organizationId } = await createOrganization(others, `fanout-${uuidv7()}`);
  const query = `api_key=${key}&events=job.status`;
  return measure({
    url: { port: server.port, path: `${path}?${query}`, isSse: path.endsWith('/events') },
    usage: server.usage,
    send: () => server.feed({ organizationId, events: messages(burst) }),
    burst,
    async stop() {
      await server.stop();
      await others.stop();
    },
  });
}

async function measure({ url, usage, send, burst, stop }) {
  const readers = fork(new URL('./fanout-readers.mjs', import.meta.url));
  readers.send({ ...url, count: SUBSCRIBERS });
  await answer(readers, 'open');
  const bursts = Math.ceil((SECONDS * RATE) / burst);
  const sendAll = async (count) => {
    for (let sent = 0; sent < count; sent += 1) {
      send();
      await sleep((1000 * burst) / RATE);
    }
  };
  await sendAll(WARM_UP_BURSTS);
  const idle = await cpuSeconds(usage, () => sleep(IDLE_MS));
  const startedAt = performance.now();
  const busy = await cpuSeconds(usage, () => sendAll(bursts));
  const elapsedMs = performance.now() - startedAt;
  readers.send('count');
  const bytes = await answer(readers, 'bytes');
  readers.kill();
  await stop();
  const deliveries = bursts * burst * SUBSCRIBERS;
  // A server that delivers nothing would look fast.
  if (bytes < (deliveries + WARM_UP_BURSTS * burst * SUBSCRIBERS) * 150)
    throw new Error(`only ${bytes} bytes arrived`);
  return deliveries / (busy - (idle * elapsedMs) / IDLE_MS);
}

/** What a process used while something was done. */
async function cpuSeconds(usage, run) {
  const before = await usage();
  await run();
  const after = await usage();
  return (after.user + after.system - before.user - before.system) / 1e6;
}

function messages(count) {
  return Array.from({ length: count }, () => ({
    type: 'JobStatusChange',
    data: {
      job_id: uuidv7(),
      queue_name: 'emails',
      old_status: 'pending',
      new_status: 'processing',
      timestamp: new Date().toISOString(),
      rev: 2,
      worker_id: 'worker-1',
    },
  }));
}

/** The next message of a bench process that has this key. */
export function answer(child, key) {
  return new Promise((resolve, reject) => {
    const hear = (message) => {
      if (message[key] === undefined) return;
      child.off('message', hear);
      resolve(message[key]);
    };
    child.on('message', hear);
    child.once('exit', (code) => reject(new Error(`a bench process ended with ${code}`)));
  });
}
