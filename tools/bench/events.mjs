import { WebSocket } from 'ws';
import { createOrganization, startServer } from './environment.mjs';
import { percentiles } from './http-load.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const RATE = 200;

/** From the answer of an enqueue to its event in a WebSocket and in an SSE client, at 200 jobs a second. */
export async function benchEvents(environment, report) {
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
