import { fork } from 'node:child_process';
import { createOrganization, startServer } from './environment.mjs';
import { answer } from './fanout.mjs';
import { httpLoad, jsonRequest, percentiles } from './http-load.mjs';

const SECONDS = process.argv.includes('--long') ? 600 : Number(process.env.BENCH_SECONDS ?? 8);
const RATE = 2000;
const PER_CALL = 20;
const CONNECTIONS = 10;
const LAG_BAR_MS = 50;
/** Of the live heap, from the first to the last third of the run. */
const GROWTH_BAR_BYTES = 1024 * 1024;

/** An application that iterates `client.events()` of the client as it is built, in a process of its own. */
export async function benchSdkEvents(environment, report) {
  const server = await startServer(environment);
  try {
    for (const transport of ['websocket', 'sse']) await benchTransport(server, transport, report);
  } finally {
    await server.stop();
  }
}

async function benchTransport(server, transport, report) {
  const { key } = await createOrganization(server, `sdk-${transport}-${Date.now()}`);
  const reader = fork(new URL('./sdk-events-reader.mjs', import.meta.url), {
    execArgv: ['--expose-gc'],
  });
  try {
    reader.send({ baseUrl: `http://127.0.0.1:${server.port}`, apiKey: key, transport });
    await answer(reader, 'live');
    const jobs = Array.from({ length: PER_CALL }, () => ({ payload: {} }));
    const body = { queue_name: 'e', jobs };
    const request = jsonRequest({ path: '/api/v1/jobs/bulk', key, body });
    const { rate } = await httpLoad({
      port: server.port,
      connections: CONNECTIONS,
      seconds: SECONDS,
      everyMs: (1000 * PER_CALL * CONNECTIONS) / RATE,
      next: () => request,
    });
    reader.send('report');
    const { lags, heaps, gaps } = await answer(reader, 'seen');
    const third = Math.ceil(heaps.length / 3);
    const growth = median(heaps.slice(-third)) - median(heaps.slice(0, third));
    const { p50, p99 } = percentiles(lags);
    const note = `${lags.length} events, ${gaps} gaps, heap ${(growth / 1024).toFixed(0)} KiB more`;
    report(
      `committed → client.events() over ${transport}, ${SECONDS} s`,
      { rate: rate * PER_CALL, p50, p99, note },
      [
        [`of ${LAG_BAR_MS} ms at p99 (inverse)`, LAG_BAR_MS / Math.max(p99, 1), 1],
        ['of 1 MiB more heap (inverse)', GROWTH_BAR_BYTES / Math.max(growth, 1), 1],
      ],
    );
  } finally {
    reader.kill();
  }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
