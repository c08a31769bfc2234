import { fork } from 'node:child_process';
import { WebSocket } from 'ws';
import { createOrganization, startServer } from './environment.mjs';
import { answer } from './fanout.mjs';
import { httpLoad, jsonRequest, percentiles } from './http-load.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const RATE = 200;
const CROWD = 500;
/** Events per second to the crowd, by calls of ten jobs each. */
const CROWD_RATE = 1000;
const PER_CALL = 10;

export async function benchEvents(environment, report) {
  await benchDelay(environment, report);
  await benchCrowd(environment, report);
}

/** From the answer of an enqueue to its event in a WebSocket and in an SSE client, at 200 jobs a second. */
async function benchDelay(environment, report) {
  const server = await startServer(environment);
  try {
    const { key } = await createOrganization(server, `events-${Date.now()}`);
    const answered = new Map();
    const seen = { ws: new Map(), sse: new Map() };
    const see = (transport, id) => seen[transport].set(id, performance.now());
    const socket = new WebSocket(
      `ws://127.0.0.1:${server.port}/api/v1/ws?api_key=${key}&events=job.created`,
    );
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.on('message', (data) => {
      const { data: event } = JSON.parse(data.toString());
      if (event.job_id !== undefined) see('ws', event.job_id);
    });
    const abort = new AbortController();
    const stream = await fetch(`http://127.0.0.1:${server.port}/api/v1/events?events=job.created`, {
      headers: { authorization: `Bearer ${key}` },
      signal: abort.signal,
    });
    const reading = readSse(stream, (id) => see('sse', id)).catch(() => undefined);
    const pending = [];
    const startedAt = performance.now();
    for (let sent = 0; sent < RATE * SECONDS; sent += 1) {
      const dueIn = startedAt + (sent * 1000) / RATE - performance.now();
      if (dueIn > 0) await new Promise((resolve) => setTimeout(resolve, dueIn));
      pending.push(
        fetch(`http://127.0.0.1:${server.port}/api/v1/jobs`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: '{"queue_name":"e","payload":{}}',
        }).then(async (response) => answered.set((await response.json()).id, performance.now())),
      );
    }
    await Promise.all(pending);
    await waitFor(() => seen.ws.size >= answered.size && seen.sse.size >= answered.size);
    abort.abort();
    await reading;
    socket.terminate();
    for (const transport of ['ws', 'sse']) {
      // An event may overtake the answer of the request that caused it: that counts as zero.
      const delays = [...answered].map(([id, at]) => Math.max(0, seen[transport].get(id) - at));
      const { p50, p99 } = percentiles(delays);
      report(`enqueue answered → event in ${transport}, 200 jobs/s`, { p50, p99 }, [
        ['of 5 ms at p50 (inverse)', 5 / Math.max(p50, 0.01), 1],
        ['of 25 ms at p99 (inverse)', 25 / Math.max(p99, 0.01), 1],
      ]);
    }
  } finally {
    await server.stop();
  }
}

/** From the instant in the event, which is before its commit, to a WebSocket that is one of 500. */
async function benchCrowd(environment, report) {
  const server = await startServer(environment, {
    REALTIME_MAX_WS_PER_ORGANIZATION: String(CROWD),
  });
  try {
    const { key } = await createOrganization(server, `crowd-${Date.now()}`);
    const path = `/api/v1/ws?api_key=${key}&events=job.created`;
    const crowd = fork(new URL('./fanout-readers.mjs', import.meta.url));
    crowd.send({ port: server.port, path, count: CROWD - 1 });
    await answer(crowd, 'open');
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const delays = [];
    socket.on('message', (data) => {
      const { type, data: event } = JSON.parse(data.toString());
      if (type === 'JobCreated') delays.push(Date.now() - Date.parse(event.timestamp));
    });
    const jobs = Array.from({ length: PER_CALL }, () => ({ payload: {} }));
    const body = { queue_name: 'e', jobs };
    const request = jsonRequest({ path: '/api/v1/jobs/bulk', key, body });
    const connections = 10;
    await httpLoad({
      port: server.port,
      connections,
      seconds: SECONDS,
      everyMs: (1000 * PER_CALL * connections) / CROWD_RATE,
      next: () => request,
    });
    await waitFor(() => delays.length >= SECONDS * CROWD_RATE * 0.95);
    socket.terminate();
    crowd.kill();
    const { p50, p99 } = percentiles(delays);
    report(
      `committed → event at one of ${CROWD} WebSockets, ${CROWD_RATE} events/s`,
      { p50, p99, note: `${delays.length} events` },
      [['of 50 ms at p99 (inverse)', 50 / Math.max(p99, 1), 1]],
    );
  } finally {
    await server.stop();
  }
}

async function readSse(response, see) {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    let end;
    while ((end = text.indexOf('\n\n')) >= 0) {
      const id = /"job_id":"([^"]+)"/.exec(text.slice(0, end))?.[1];
      if (id !== undefined) see(id);
      text = text.slice(end + 2);
    }
  }
}

async function waitFor(isDone) {
  const endsAt = performance.now() + 10_000;
  while (!isDone() && performance.now() < endsAt) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
