import { fork, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createOrganization, startServer } from './environment.mjs';

const STREAMS = 5000;
const MIB = 1024 * 1024;

/** How soon `npm start` is ready the second time, and what the process weighs. */
export async function benchFootprint(environment, report) {
  const directory = await mkdtemp(path.join(tmpdir(), 'spooled-start-'));
  const first = await timeStart(directory);
  const second = await timeStart(directory);
  await rm(directory, { recursive: true, force: true });
  report('npm start until ready, first time with everything installed', {
    note: `${first.toFixed(1)} s`,
  });
  report('npm start until ready, second time', { note: `${second.toFixed(1)} s` }, [
    ['of 6 s (inverse)', 6 / second, 1],
  ]);

  const server = await startServer(environment, {
    REALTIME_MAX_WS_PER_ORGANIZATION: String(STREAMS),
    REALTIME_MAX_SSE_PER_ORGANIZATION: String(STREAMS),
  });
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const idle = (await server.usage()).rss / MIB;
  report('memory of the process, idle', { note: `${idle.toFixed(0)} MB` }, [
    ['of 250 MB (inverse)', 250 / idle, 1],
  ]);
  const { key } = await createOrganization(server, `streams-${Date.now()}`);
  const readers = [];
  for (const url of [`/api/v1/ws?api_key=${key}`, `/api/v1/events?api_key=${key}`]) {
    const child = fork(new URL('./fanout-readers.mjs', import.meta.url));
    child.send({
      port: server.port,
      path: url,
      count: STREAMS / 2,
      isSse: url.includes('/events'),
    });
    await new Promise((resolve) => child.once('message', resolve));
    readers.push(child);
  }
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const busy = (await server.usage()).rss / MIB;
  report(`memory with ${STREAMS} idle WS and SSE streams`, { note: `${busy.toFixed(0)} MB` }, [
    ['of 500 MB (inverse)', 500 / busy, 1],
  ]);
  for (const reader of readers) reader.kill();
  await server.stop();
}

/** Seconds from the command to the banner. */
function timeStart(directory) {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['tools/run.mjs', 'start'], {
    cwd: root,
    env: {
      ...process.env,
      SPOOLED_DATA_DIR: directory,
      PORT: '18990',
      DATABASE_URL: '',
      NATS_URL: '',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let seconds;
    child.stdout.on('data', (chunk) => {
      if (seconds !== undefined || !chunk.toString().includes('Spooled is ready')) return;
      seconds = (performance.now() - startedAt) / 1000;
      child.kill('SIGINT');
    });
    child.once('exit', () =>
      seconds === undefined ? reject(new Error('npm start did not get ready')) : resolve(seconds),
    );
  });
}
