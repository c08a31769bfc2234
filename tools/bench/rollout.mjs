import { fork } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOrganization, startServer } from './environment.mjs';
import { answer } from './fanout.mjs';
import { startServices } from './replicas.mjs';

const LOAD = { queueCount: 20, jobsPerSecond: 300, streamsPerQueue: 10 };
const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
/** As an endpoint is taken out of the routing before its process is told to stop. */
const LEAVE_MS = 1000;

/**
 * Two processes of each service, replaced one after the other while an application makes and does 300 jobs a second and
 * follows its 20 queues with 200 streams. What is lost or told twice is counted; it should be nothing.
 */
export async function benchRollout(environment, report) {
  const servers = await startServices(environment, 2);
  const routers = await Promise.all(
    ['auth', 'job-api', 'realtime-gateway'].map((room) => router(servers, room)),
  );
  const load = fork(new URL('./rollout-load.mjs', import.meta.url));
  try {
    const { key } = await createOrganization(servers[0], `rollout-${Date.now()}`);
    const [authUrl, jobsUrl, streamsUrl] = routers.map(({ url }) => url);
    load.send({ ...LOAD, authUrl, jobsUrl, streamsUrl, apiKey: key });
    await answer(load, 'begun');
    const completed = async () => {
      load.send('count');
      return answer(load, 'completed');
    };
    /** Jobs done a second while `run` lasts. */
    const rateDuring = async (run) => {
      const [before, startedAt] = [await completed(), performance.now()];
      await run();
      const seconds = (performance.now() - startedAt) / 1000;
      return { seconds, rate: ((await completed()) - before) / seconds };
    };
    await sleep(10_000);
    const steady = await rateDuring(() => sleep(SECONDS * 1000));
    report('no process replaced (jobs/s)', steady);
    const { seconds, rate } = await rateDuring(async () => {
      for (const server of servers) await replace(environment, server);
    });
    load.send('end');
    const { failures, created, reconnects, ...wrong } = await answer(load, 'result');
    report(`12 processes replaced in ${seconds.toFixed(0)} s (jobs/s)`, {
      rate,
      note: `${created} jobs in all, ${reconnects} reconnects of 200 streams, ${JSON.stringify(wrong)}, not now or lost: ${JSON.stringify(failures)}`,
    });
    const problems = Object.values(wrong).reduce((sum, count) => sum + count, 0);
    report('lost, done or told twice', { note: String(problems) }, [
      ['the rate before', rate / steady.rate, 0.95],
      ['nothing wrong (1 / (1 + problems))', 1 / (1 + problems), 1],
    ]);
  } finally {
    load.kill();
    for (const { close } of routers) close();
    for (const server of servers) await server.stop();
  }
}

async function replace(environment, server) {
  server.isServing = false;
  await sleep(LEAVE_MS);
  await server.stop();
  Object.assign(server, await startServer(environment, server.environment), { isServing: true });
}

/** An address that leads each connection to one of a service's processes, as a Service of Kubernetes does. */
async function router(servers, room) {
  let turns = 0;
  const sockets = new Set();
  const door = createServer((client) => {
    const serving = servers.filter((server) => server.room === room && server.isServing);
    const onward = connect({ port: serving[turns++ % serving.length].port, host: '127.0.0.1' });
    onward.pipe(client).pipe(onward);
    for (const [each, other] of [
      [client, onward],
      [onward, client],
    ]) {
      sockets.add(each);
      each.on('error', () => other.destroy());
      each.on('close', () => {
        sockets.delete(each);
        other.destroy();
      });
    }
  });
  await new Promise((resolve) => door.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${door.address().port}`,
    close: () => {
      door.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
