import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOrganization, startServer } from './environment.mjs';
import { answer } from './fanout.mjs';

const STREAMS = 10_000;
const KIB = 1024;

/** Memory per stream that has nothing to say, half of them WebSockets and half SSE, against a bare `ws` server. */
export async function benchIdleStreams(environment, report) {
  const bare = fork(new URL('./fanout-bare.mjs', import.meta.url), ['ws'], {
    execArgv: ['--expose-gc'],
  });
  const port = await answer(bare, 'port');
  const memory = () => {
    bare.send('memory');
    return answer(bare, 'memory');
  };
  const bareKib = await perStream(memory, port, ['/']);
  bare.kill();
  report(`bare ws server, ${STREAMS} idle connections`, { note: kib(bareKib) });

  const limit = String(STREAMS);
  const server = await startServer(environment, {
    REALTIME_MAX_WS_PER_ORGANIZATION: limit,
    REALTIME_MAX_SSE_PER_ORGANIZATION: limit,
  });
  try {
    const { key } = await createOrganization(server, `idle-${Date.now()}`);
    const paths = [`/api/v1/ws?api_key=${key}`, `/api/v1/events?api_key=${key}`];
    const ours = await perStream(server.memory, server.port, paths);
    report(`gateway, ${STREAMS} idle WebSockets and SSE streams`, { note: kib(ours) }, [
      ['of 16 KiB (inverse)', 16 / ours, 1],
      ['of twice the bare server (inverse)', (2 * bareKib) / ours, 1],
    ]);
  } finally {
    await server.stop();
  }
}

/** KiB that a server grows by for each stream, these paths in equal parts. */
async function perStream(memory, port, paths) {
  // What the first requests load is not the streams'.
  const first = await readers(port, paths[0], 1);
  await sleep(3000);
  const before = await memory();
  const opened = [];
  for (const path of paths) opened.push(await readers(port, path, STREAMS / paths.length));
  await sleep(5000);
  const after = await memory();
  for (const each of [first, ...opened]) each.kill();
  return (after - before) / KIB / STREAMS;
}

async function readers(port, path, count) {
  const child = fork(new URL('./fanout-readers.mjs', import.meta.url));
  child.send({ port, path, count, isSse: path.includes('/events') });
  await answer(child, 'open');
  return child;
}

function kib(number) {
  return `${number.toFixed(1)} KiB per stream`;
}
