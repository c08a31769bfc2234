import { createOrganization, startServer } from './environment.mjs';
import { percentiles } from './http-load.mjs';
import { liveLives } from './whole-life.mjs';

const services = [
  'auth',
  'job-api',
  'worker-registry',
  'scheduler',
  'webhook-dispatcher',
  'realtime-gateway',
];
const ROUNDS = 3;
/** Enough that two processes do not wait for their callers. */
const WORKERS = 64;

/**
 * The whole life of jobs through services as processes of their own, one of each and two of each: alternately, because a
 * shared machine is never twice the same.
 */
export async function benchReplicas(environment, report) {
  const runs = { 1: [], 2: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const count of [1, 2]) runs[count].push(await run(environment, count));
  }
  const [one, two] = [runs[1], runs[2]].map((several) => ({
    rate: several.reduce((sum, { rate }) => sum + rate, 0) / ROUNDS,
    doubles: several.reduce((sum, { doubles }) => sum + doubles, 0),
    ...percentiles(several.flatMap(({ waits }) => waits)),
  }));
  const note = ({ doubles }) => ({ note: `enqueue → claimed; ${doubles} given to two workers` });
  report('whole life, one process of each service (jobs/s)', { ...one, ...note(one) });
  report('whole life, two of each (jobs/s)', { ...two, ...note(two) }, [
    ['one of each', two.rate / one.rate, 1],
  ]);
}

/** Of each service so many processes, auth first. */
export async function startServices(environment, count) {
  const wanted = services.flatMap((room) => Array.from({ length: count }, () => room));
  return Promise.all(
    wanted.map(async (room) => {
      // The chart's time to linger, so that a stop loses no call.
      const settings = { BENCH_ROOM: room, SERVICE_NAME: room, HTTP_LINGER_MS: '3000' };
      const server = await startServer(environment, settings);
      return { room, environment: settings, isServing: true, ...server };
    }),
  );
}

async function run(environment, count) {
  const servers = await startServices(environment, count);
  const of = (room) => servers.filter((server) => server.room === room);
  try {
    const [auth] = of('auth');
    const { key } = await createOrganization(auth, `replicas-${Date.now()}`);
    const ports = of('job-api').map(({ port }) => port);
    await liveLives({ ports, key, seconds: 2, workers: WORKERS });
    return await liveLives({ ports, key, workers: WORKERS });
  } finally {
    for (const server of servers) await server.stop();
  }
}
