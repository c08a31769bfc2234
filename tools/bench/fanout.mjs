import { fork } from 'node:child_process';
import { v7 as uuidv7 } from 'uuid';
import { createOrganization, startServer } from './environment.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const SUBSCRIBERS = 1000;
/** Events per second: what a bare loop can still serve on half a core. */
const RATE = 40;

/**
 * One stream of events to 1,000 WebSocket subscribers: deliveries per CPU second of the sending process, against a bare
 * `ws` server that calls `send()` for each subscriber, with the same messages at the same rate.
 */
export async function benchFanout(environment, report) {
  for (const burst of [1, 8]) {
    const bare = await bareLoop(burst);
    report(`bare ws send() loop, bursts of ${burst} (deliveries per CPU second)`, { rate: bare });
    const ours = await gateway(environment, burst);
    report(`gateway, bursts of ${burst} (deliveries per CPU second)`, { rate: ours }, [
      ['bare loop', ours / bare, burst === 1 ? 1.2 : 3],
    ]);
  }
}

async function bareLoop(burst) {
  const server = fork(new URL('./fanout-bare.mjs', import.meta.url));
  const port = await answer(server, 'port');
  const cpu = async () => {
    server.send('usage');
    return answer(server, 'usage');
  };
  return measure({
    url: { port, path: '/' },
    usage: cpu,
    send: () => server.send({ texts: messages(burst).map((event) => JSON.stringify(event)) }),
    burst,
    stop: () => server.kill(),
  });
}

async function gateway(environment, burst) {
  const server = await startServer(environment, { REALTIME_MAX_WS_PER_ORGANIZATION: '2000' });
  const { key, organizationId } = await createOrganization(server, `fanout-${uuidv7()}`);
  return measure({
    url: { port: server.port, path: `/api/v1/ws?api_key=${key}` },
    usage: server.usage,
    send: () => server.feed({ organizationId, events: messages(burst) }),
    burst,
    stop: server.stop,
  });
}

async function measure({ url, usage, send, burst, stop }) {
  const readers = fork(new URL('./fanout-readers.mjs', import.meta.url));
  readers.send({ ...url, count: SUBSCRIBERS });
  await answer(readers, 'open');
  const bursts = Math.ceil((SECONDS * RATE) / burst);
  const before = await usage();
  for (let sent = 0; sent < bursts; sent += 1) {
    send();
    await new Promise((resolve) => setTimeout(resolve, (1000 * burst) / RATE));
  }
  const after = await usage();
  const cpuSeconds = (after.user + after.system - before.user - before.system) / 1e6;
  readers.send('count');
  const bytes = await answer(readers, 'bytes');
  readers.kill();
  await stop();
  const deliveries = bursts * burst * SUBSCRIBERS;
  // A server that delivers nothing would look fast.
  if (bytes < deliveries * 150) throw new Error(`only ${bytes} bytes arrived`);
  return deliveries / cpuSeconds;
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

function answer(child, key) {
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
