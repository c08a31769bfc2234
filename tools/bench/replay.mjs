import { WebSocket } from 'ws';
import { createOrganization, startServer } from './environment.mjs';
import { httpLoad, jsonRequest } from './http-load.mjs';

const EVENTS = 100_000;
const PER_CALL = 100;
const BAR = 50_000;

/** How fast a client that was away gets 100,000 events: of a fresh gateway, which reads them from the log. */
export async function benchReplay(environment, report) {
  const { key, cursor } = await withServer(environment, async (server) => {
    const { key } = await createOrganization(server, `replay-${Date.now()}`);
    const cursor = await currentCursor(server.port, key);
    await enqueue(server.port, key);
    return { key, cursor };
  });
  await withServer(environment, async (server) => {
    for (const name of ['from the log', 'again']) {
      const rate = await replay(server.port, key, cursor);
      report(`replay of ${EVENTS.toLocaleString('en')} events over WebSocket, ${name}`, { rate }, [
        [`${BAR.toLocaleString('en')}/s`, rate / BAR, 1],
      ]);
    }
  });
}

async function withServer(environment, run) {
  const server = await startServer(environment);
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

/** The cursor in the first comment of an SSE stream. */
async function currentCursor(port, key) {
  const abort = new AbortController();
  const { body } = await fetch(`http://127.0.0.1:${port}/api/v1/events?api_key=${key}`, {
    signal: abort.signal,
  });
  const { value } = await body.getReader().read();
  abort.abort();
  return /: connected (\S+)/.exec(Buffer.from(value).toString())[1];
}

async function enqueue(port, key) {
  const jobs = Array.from({ length: PER_CALL }, () => ({ payload: { to: 'someone@example.com' } }));
  const body = { queue_name: 'replayed', jobs };
  const request = jsonRequest({ path: '/api/v1/jobs/bulk', key, body });
  let left = EVENTS / PER_CALL;
  await httpLoad({
    port,
    connections: 4,
    seconds: 600,
    next: () => (left-- > 0 ? request : null),
  });
}

/** Events per second from the request to the last event. */
function replay(port, key, cursor) {
  const startedAt = performance.now();
  const url = `ws://127.0.0.1:${port}/api/v1/ws?api_key=${key}&events=job.created&last_event_id=${cursor}`;
  const socket = new WebSocket(url, { perMessageDeflate: false });
  let events = 0;
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.on('message', (data) => {
      // A `Ping` has no cursor.
      if (data.includes('"JobCreated"')) events += 1;
      if (events < EVENTS) return;
      socket.terminate();
      resolve(EVENTS / ((performance.now() - startedAt) / 1000));
    });
  });
}
