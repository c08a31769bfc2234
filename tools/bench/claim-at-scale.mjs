import { anotherInstallation, createOrganization, startServer } from './environment.mjs';
import { httpLoad, jsonRequest, percentiles } from './http-load.mjs';
import { BIGGEST_QUEUE, filledInstallation } from './scale-data.mjs';

const ROUNDS = 20;
const ROUND_SECONDS = 1;
const CONNECTIONS = 2;
/** More than a round can claim: a claim of nothing would be too cheap to count. */
const CALLS_OF_100_PER_ROUND = 30;

/**
 * A claim among millions of jobs against the same claim where there are only the jobs to be claimed. The two systems
 * run side by side and take turns, so that whatever else the machine does disturbs both.
 */
export async function benchClaimAtScale(environment, report) {
  const filled = await filledInstallation(environment);
  const empty = await anotherInstallation(environment, 'empty');
  const servers = [await startServer(filled), await startServer(empty)];
  try {
    const { key } = await createOrganization(servers[1], 'empty');
    const sides = [
      { port: servers[0].port, key: filled.key, latencies: [], claimed: 0 },
      { port: servers[1].port, key, latencies: [], claimed: 0 },
    ];
    for (let round = -1; round < ROUNDS; round += 1) {
      const order = round % 2 === 0 ? sides : sides.toReversed();
      for (const side of order) await enqueue(side);
      for (const side of order) await claim(side, round >= 0);
    }
    const [full, bare] = sides.map(({ latencies, claimed }) => ({
      ...percentiles(latencies),
      note: `${latencies.length} claims, ${latencies.length - claimed} of nothing`,
    }));
    report('claim on an empty system, 2 connections', bare);
    report('claim among millions', full, [
      ['the p50 of the empty system (inverse)', bare.p50 / full.p50, 1 / 1.5],
      ['the p99 of the empty system (inverse)', bare.p99 / full.p99, 1 / 1.5],
    ]);
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function enqueue({ port, key }) {
  let calls = CALLS_OF_100_PER_ROUND;
  const request = jsonRequest({
    path: '/api/v1/jobs/bulk',
    key,
    body: {
      queue_name: BIGGEST_QUEUE,
      jobs: Array.from({ length: 100 }, () => ({ payload: { to: 'someone@example.com' } })),
    },
  });
  await httpLoad({ port, connections: 2, seconds: 60, next: () => (calls-- > 0 ? request : null) });
}

async function claim(side, isCounted) {
  const request = jsonRequest({
    path: '/api/v1/jobs/claim',
    key: side.key,
    body: { queue_name: BIGGEST_QUEUE, worker_id: 'w', limit: 1, lease_duration_secs: 3600 },
  });
  let claimed = 0;
  const { latencies } = await httpLoad({
    port: side.port,
    connections: CONNECTIONS,
    seconds: ROUND_SECONDS,
    next: () => request,
    onAnswer: (body) => (claimed += body.includes('"lease_id"') ? 1 : 0),
  });
  if (!isCounted) return;
  side.latencies.push(...latencies);
  side.claimed += claimed;
}
