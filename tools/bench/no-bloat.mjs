import { anotherInstallation } from './environment.mjs';
import { inProcess, wholeLives } from './in-process.mjs';
import { passedJobs } from './sizes.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const CLIENTS = 8;
const BATCH = 50;

/** Whole lives per second of an installation that many jobs have passed through, against its own first seconds. */
export async function benchNoBloat(environment, report) {
  const installation = await anotherInstallation(environment, 'passed');
  await inProcess(installation, async (rooms) => {
    await rateOf(rooms, SECONDS / 2);
    const fresh = await rateOf(rooms, SECONDS);
    let passed = 0;
    await wholeLives(rooms, {
      clients: CLIENTS,
      batch: 100,
      isOver: () => passed >= passedJobs,
      onCompleted: (jobs) => (passed += jobs),
    });
    const later = await rateOf(rooms, SECONDS);
    report('repositories on fresh tables (jobs/s)', { rate: fresh });
    report(
      `after ${passedJobs.toLocaleString('en')} jobs (jobs/s)`,
      { rate: later, note: await sizes(installation) },
      [['fresh', later / fresh, 0.8]],
    );
  });
}

async function rateOf(rooms, seconds) {
  let jobs = 0;
  const startedAt = performance.now();
  await wholeLives(rooms, {
    clients: CLIENTS,
    batch: BATCH,
    isOver: () => performance.now() >= startedAt + seconds * 1000,
    onCompleted: (completed) => (jobs += completed),
  });
  return jobs / ((performance.now() - startedAt) / 1000);
}

async function sizes({ client }) {
  const { rows } = await client.query(`
    select string_agg(relname || ' ' || pg_size_pretty(pg_total_relation_size(relid)), ', ' order by relname) as sizes
    from pg_stat_user_tables where schemaname = 'jobs' and relname in ('job_ready', 'job_running', 'counter_delta')`);
  return rows[0].sizes;
}
