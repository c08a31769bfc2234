import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { enqueue } from '../../apps/job-api/dist/jobs/store/enqueue.sql.js';
import { claim } from '../../apps/job-api/dist/jobs/store/claim.sql.js';
import { START } from '../../apps/job-api/dist/jobs/store/queue-heads.js';
import { complete } from '../../apps/job-api/dist/jobs/store/settle.sql.js';
import { inProcess, PAYLOAD, wholeLives } from './in-process.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const BATCH = 50;
const CLIENTS = 8;

/** Insert + claim + complete in batches of 50: ours through the repositories, and the bare statements by pgbench. */
export async function benchRepository(environment, report) {
  const bare = pgbench(environment);
  if (bare === undefined) console.log('pgbench is not installed: no baseline');
  else report('pgbench, the three statements, 8 clients (jobs/s)', { rate: bare });
  const ours = await repositories(environment);
  report('repositories, the same with events, tenancy and grouping (jobs/s)', ours, [
    ...(bare === undefined ? [] : [['pgbench', ours.rate / bare, 0.6]]),
  ]);
  environment.repositoryRate = ours.rate;
}

async function repositories(environment) {
  const { client } = environment;
  return inProcess(environment, async (rooms) => {
    const walBefore = await walPosition(client);
    const startedAt = performance.now();
    const endsAt = startedAt + SECONDS * 1000;
    let jobs = 0;
    await wholeLives(rooms, {
      clients: CLIENTS,
      batch: BATCH,
      isOver: () => performance.now() >= endsAt,
      onCompleted: (completed) => (jobs += completed),
    });
    const rate = jobs / ((performance.now() - startedAt) / 1000);
    const walBytes = ((await walPosition(client)) - walBefore) / jobs;
    const { rows } = await client.query(
      `select sum(n_dead_tup)::int as dead from pg_stat_user_tables where schemaname = 'jobs'`,
    );
    return { rate, note: `${Math.round(walBytes)} WAL bytes per job, ${rows[0].dead} dead tuples` };
  });
}

async function walPosition(client) {
  const { rows } = await client.query(
    `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as at`,
  );
  return rows[0].at;
}

/** Our own statements with literals in place of parameters, as the owner of the tables: no tenancy, no events. */
function pgbench({ databaseUrl }) {
  if (spawnSync('pgbench', ['--version']).error !== undefined) return undefined;
  const directory = mkdtempSync(path.join(tmpdir(), 'spooled-pgbench-'));
  const organization = `('00000000-0000-7000-8000-00000000000' || :client_id % 10)::uuid`;
  const each = (value, type) => `array_fill(${value}, array[${BATCH}])::${type}[]`;
  const nulls = (type) => `array_fill(null::${type}, array[${BATCH}])`;
  const insert = fill(enqueue.text, [
    each(organization, 'uuid'),
    `array(select gen_random_uuid() from generate_series(1, ${BATCH}))`,
    each(`'bench'::text`, 'text'),
    each(`'${PAYLOAD}'::json`, 'json'),
    each('0::smallint', 'smallint'),
    nulls('int'),
    nulls('int'),
    nulls('jsonb'),
    nulls('text'),
    nulls('text'),
    nulls('text'),
    nulls('timestamptz'),
    nulls('timestamptz'),
    nulls('uuid'),
    nulls('uuid'),
    nulls('text'),
    nulls('smallint'),
    nulls('text'),
    '3',
    '300',
    nulls('text'),
  ]);
  const take = fill(claim.text, [
    `array[${organization}]`,
    `array['bench']`,
    'array[1]',
    `array[${BATCH}]`,
    `array['w']`,
    'array[60]',
    `array[${START.priority}::smallint]`,
    `array['${START.id}'::uuid]`,
  ]).replace(
    /select ord::int, organization_id, id,[\s\S]*$/,
    `select coalesce(string_agg(id::text, ','), '') as ids, count(*) as n from leased`,
  );
  const settle = fill(complete.text, [
    `array_fill(${organization}, array[:n])::uuid[]`,
    `'{:ids}'::uuid[]`,
    `array_fill('w'::text, array[:n])`,
    `array_fill(null::text, array[:n])`,
    `array_fill(null::text, array[:n])`,
    `array_fill(null::json, array[:n])`,
  ]);
  const script = `${oneLine(insert)};\n${oneLine(take)} \\gset\n\\if :n > 0\n${oneLine(settle)};\n\\endif\n`;
  writeFileSync(path.join(directory, 'life.sql'), script);
  const { stdout, stderr } = spawnSync(
    'pgbench',
    [
      '-n',
      '-c',
      String(CLIENTS),
      '-j',
      '1',
      '-T',
      String(SECONDS),
      '-f',
      path.join(directory, 'life.sql'),
      databaseUrl,
    ],
    { encoding: 'utf8' },
  );
  rmSync(directory, { recursive: true });
  const tps = /tps = ([\d.]+)/.exec(stdout)?.[1];
  if (tps === undefined) throw new Error(`pgbench: ${stdout}${stderr}`);
  return Number(tps) * BATCH;
}

function fill(text, values) {
  return text.replaceAll(/\$(\d+)/g, (_, number) => `(${values[number - 1]})`);
}

function oneLine(text) {
  return text.replaceAll(/\s+/g, ' ');
}
