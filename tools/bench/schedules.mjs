import { setTimeout as sleep } from 'node:timers/promises';
import { anotherInstallation, createOrganization, startServer } from './environment.mjs';

const SCHEDULES = 10_000;
const TICKS = 4;
const EVERY_SECS = 10;
const BAR_SECS = 1;

/** How long after their tick the jobs of many schedules that say the same are claimable, for few and for many tenants. */
export async function benchSchedules(environment, report) {
  for (const organizations of [1, 100]) {
    const installation = await anotherInstallation(environment, `schedules_${organizations}`);
    const server = await startServer(installation);
    try {
      const lags = await ticks(installation, server, organizations);
      // Plans and code are warm from the second tick on.
      const worst = Math.max(...lags.slice(1));
      report(
        `${SCHEDULES.toLocaleString('en')} schedules of ${organizations} organizations: last job claimable`,
        { note: lags.map((lag) => `${lag.toFixed(2)} s`).join(', ') },
        [[`of ${BAR_SECS} s (inverse)`, BAR_SECS / worst, 1]],
      );
    } finally {
      await server.stop();
    }
  }
}

/** Seconds from each tick until all of its jobs were there, as another connection sees it. */
async function ticks({ client }, server, organizations) {
  const ids = [];
  for (let index = 0; index < organizations; index += 1) {
    const { organizationId } = await createOrganization(server, `schedules-${index}`);
    ids.push(organizationId);
  }
  const firstAt = EVERY_SECS * (Math.ceil(Date.now() / 1000 / EVERY_SECS) + 1);
  await client.query(insert, [ids, SCHEDULES, firstAt, `*/${EVERY_SECS} * * * * *`]);
  await client.query('vacuum analyze schedules.schedule');
  const lags = [];
  for (let tick = 0; tick < TICKS; tick += 1) {
    const at = firstAt + tick * EVERY_SECS;
    await sleep(Math.max(0, at * 1000 - Date.now()));
    lags.push(await untilThere(client, (tick + 1) * SCHEDULES, at));
  }
  await client.query('update schedules.schedule set is_active = false');
  return lags;
}

async function untilThere(client, jobs, at) {
  for (;;) {
    const { rows } = await client.query(
      `select count(*)::int as jobs, extract(epoch from now())::float8 as now from jobs.job_ready`,
    );
    if (rows[0].jobs >= jobs) return rows[0].now - at;
    await sleep(50);
  }
}

const insert = `
  insert into schedules.schedule (organization_id, id, name, cron_expression, timezone, queue_name, payload_template,
    priority, body_bytes, next_run_at)
  select ($1::uuid[])[1 + n % array_length($1::uuid[], 1)], uuidv7(), 'schedule ' || n, $4, 'UTC', 'bench',
    '{"to":"someone@example.com","subject":"Welcome"}', 0, 50, to_timestamp($3::float8)
  from generate_series(0, $2::int - 1) n`;
