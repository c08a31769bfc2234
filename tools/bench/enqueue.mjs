import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { createOrganization, startServer } from './environment.mjs';
import { httpLoad, jsonRequest, percentiles } from './http-load.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
export const PAYLOAD = {
  to: 'someone@example.com',
  subject: 'Welcome',
  template: 'welcome-2',
  retries: 3,
  locale: 'en',
};

/** Durable enqueue over HTTP, and what it is measured against. */
export async function benchEnqueue(environment, report) {
  const raw = await rawInserts(environment);
  report('raw pg, one insert per job, 64 in flight', raw);
  const off = await httpEnqueue(environment, { GROUP_COMMIT_MAX_ROWS: '1' });
  report('HTTP enqueue, 64 connections, grouping off', off);
  const on = await httpEnqueue(environment, {});
  report('HTTP enqueue, 64 connections', on, [
    ['grouping off', on.rate / off.rate, 4],
    ['raw pg', on.rate / raw.rate, 1.5],
  ]);
  for (const organizations of [8, 64]) {
    const together = await httpEnqueue(environment, {}, 1, organizations);
    report(`HTTP enqueue, 64 connections, ${organizations} organizations`, together);
    const settings = { GROUP_COMMIT_BY_ORGANIZATION: 'true' };
    const apart = await httpEnqueue(environment, settings, 1, organizations);
    report('the same, a transaction for each organization', apart, [
      ['together', apart.rate / together.rate, 0.15],
    ]);
  }
  const silent = await httpEnqueue(environment, { BENCH_EVENTS: 'off' });
  report('HTTP enqueue, event log and publishing off', silent, [
    ['on / off', on.rate / silent.rate, 0.85],
  ]);
  const bulk = await httpEnqueue(environment, {}, 100);
  report('bulk enqueue, 100 per call, 8 connections (jobs/s)', bulk, [
    ['raw pg', bulk.rate / raw.rate, 5],
  ]);
}

export async function httpEnqueue(environment, settings, perCall = 1, organizations = 1) {
  const server = await startServer(environment, settings);
  try {
    const keys = [];
    for (let n = 0; n < organizations; n += 1)
      keys.push((await createOrganization(server, `bench-${uuidv7()}`)).key);
    const requests = keys.map((key) =>
      perCall === 1
        ? jsonRequest({
            path: '/api/v1/jobs',
            key,
            body: { queue_name: 'emails', payload: PAYLOAD },
          })
        : jsonRequest({
            path: '/api/v1/jobs/bulk',
            key,
            body: {
              queue_name: 'emails',
              jobs: Array.from({ length: perCall }, () => ({ payload: PAYLOAD })),
            },
          }),
    );
    let sent = 0;
    const load = {
      port: server.port,
      connections: perCall === 1 ? 64 : 8,
      next: () => requests[sent++ % requests.length],
    };
    await httpLoad({ ...load, seconds: 2 });
    const result = await httpLoad({ ...load, seconds: SECONDS });
    return { ...result, rate: result.rate * perCall };
  } finally {
    await server.stop();
  }
}

/** The same body row, one statement and one commit per job. */
async function rawInserts({ databaseUrl, client }) {
  await client.query('create table if not exists bench_body (like jobs.job including all)');
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
  const organization = uuidv7();
  const payload = JSON.stringify(PAYLOAD);
  const latencies = [];
  const run = async (seconds, record) => {
    const endsAt = performance.now() + seconds * 1000;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (performance.now() < endsAt) {
          const sentAt = performance.now();
          await pool.query({
            name: 'raw-insert',
            text: `insert into bench_body (organization_id, id, queue_name, payload, max_retries, timeout_seconds, created_at)
              values ($1, $2, $3, $4, 3, 300, now())`,
            values: [organization, uuidv7(), 'emails', payload],
          });
          if (record) latencies.push(performance.now() - sentAt);
        }
      }),
    );
  };
  await run(1, false);
  const startedAt = performance.now();
  await run(SECONDS, true);
  const rate = latencies.length / ((performance.now() - startedAt) / 1000);
  await pool.end();
  return { rate, ...percentiles(latencies) };
}
