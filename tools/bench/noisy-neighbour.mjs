import { v7 as uuidv7 } from 'uuid';
import { anotherInstallation, createOrganization, startServer } from './environment.mjs';
import { httpLoad, jsonRequest, percentiles } from './http-load.mjs';
import { pendingJobs } from './sizes.mjs';

const QUIET = 99;
const TIMES_THE_LOAD = 100;
const ROUNDS = 4;
const ROUND_SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
/** How often a quiet tenant enqueues a job and claims one. */
const EVERY_MS = 1000;

/**
 * Claims of 99 tenants while the hundredth has a long backlog and does a hundred times as much, against the same claims
 * without it. The two systems run side by side and take turns.
 */
export async function benchNoisyNeighbour(environment, report) {
  const alone = await openSide(environment, 'alone');
  const crowd = await openSide(environment, 'crowd');
  try {
    const noisy = await createOrganization(crowd.server, `noisy-${uuidv7()}`);
    await fillBacklog(crowd.installation, noisy.organizationId);
    const noise = { seen: [] };
    for (let round = -1; round < ROUNDS; round += 1) {
      const counted = round >= 0;
      await quietTenants(alone, counted);
      await Promise.all([
        quietTenants(crowd, counted),
        noisyTenant(crowd.server, noisy.key, (latencies) => noise.seen.push(...latencies)),
      ]);
    }
    const solo = percentiles(alone.latencies);
    const disturbed = percentiles(crowd.latencies);
    report(`claims of ${QUIET} tenants by themselves`, {
      ...solo,
      note: `${alone.latencies.length} claims`,
    });
    report(
      `beside one with ${TIMES_THE_LOAD} × their load and ${pendingJobs.toLocaleString('en')} jobs waiting`,
      { ...disturbed, note: `${crowd.latencies.length} claims` },
      [['the p99 by themselves (inverse)', solo.p99 / disturbed.p99, 1 / 2]],
    );
    report('claims and enqueues of the noisy one', percentiles(noise.seen));
  } finally {
    await alone.server.stop();
    await crowd.server.stop();
  }
}

async function openSide(environment, name) {
  const installation = await anotherInstallation(environment, name);
  const server = await startServer(installation);
  const tenants = [];
  for (let index = 0; index < QUIET; index += 1) {
    tenants.push(await createOrganization(server, `quiet-${uuidv7()}`));
  }
  return { installation, server, keys: tenants.map(({ key }) => key), latencies: [] };
}

/** A job waits when the round begins, so that no claim is of nothing. */
async function quietTenants({ server, keys, latencies }, isCounted) {
  const requests = keys.map((key) => pairOf(key));
  const turns = keys.map(() => 0);
  await httpLoad({
    port: server.port,
    connections: QUIET,
    seconds: ROUND_SECONDS,
    everyMs: EVERY_MS / 2,
    next: (index) => requests[index][turns[index]++ % 2],
    onAnswer: (_body, index, latency) => {
      // The turn is that of the next request: after a claim it is even.
      if (isCounted && turns[index] % 2 === 0) latencies.push(latency);
    },
  });
}

async function noisyTenant(server, key, see) {
  const connections = 20;
  const [enqueue, claim] = pairOf(key);
  let turn = 0;
  const { latencies } = await httpLoad({
    port: server.port,
    connections,
    seconds: ROUND_SECONDS,
    everyMs: (EVERY_MS / 2 / TIMES_THE_LOAD) * connections,
    next: () => (turn++ % 2 === 0 ? enqueue : claim),
  });
  see(latencies);
}

function pairOf(key) {
  return [
    jsonRequest({
      path: '/api/v1/jobs',
      key,
      body: { queue_name: 'work', payload: { to: 'you' } },
    }),
    jsonRequest({
      path: '/api/v1/jobs/claim',
      key,
      body: { queue_name: 'work', worker_id: 'w', limit: 1, lease_duration_secs: 3600 },
    }),
  ];
}

async function fillBacklog({ client }, organizationId) {
  await client.query(
    `
    with made as materialized (
      select uuidv7(make_interval(secs => -3600 * (1 - n / $2::float8))) as id from generate_series(1, $2::int) n order by n
    ),
    bodies as (
      insert into jobs.job (organization_id, id, queue_name, payload, max_retries, timeout_seconds, created_at)
      select $1, id, 'work', '{"to":"you"}', 3, 300, now() from made
    ),
    ready as (
      insert into jobs.job_ready (organization_id, id, queue_name, priority, retry_count, rev, updated_at)
      select $1, id, 'work', 0, 0, 1, now() from made
    )
    insert into jobs.counter_delta (organization_id, queue_name, created, pending) values ($1, 'work', $2, $2)`,
    [organizationId, pendingJobs],
  );
  // Or autovacuum and the next checkpoint would do it while we measure.
  await client.query('vacuum (parallel 0) jobs.job_ready');
  await client.query('vacuum (analyze, parallel 0) jobs.job');
  await client.query('checkpoint');
}
