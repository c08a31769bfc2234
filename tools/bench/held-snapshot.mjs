import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { anotherInstallation } from './environment.mjs';
import { inProcess, PAYLOAD, wholeLives } from './in-process.mjs';
import { heldSeconds } from './sizes.mjs';

const CLIENTS = 8;
const BATCH = 10;
const WARM_UP_MS = 3000;
const WINDOW_MS = Math.min(6000, heldSeconds * 250);

/**
 * Whole lives per second while somebody holds a snapshot open, so that no deleted row can be cleaned away: the last
 * seconds against the first ones. Next to it the same work on one table with a status column, as queues are often built.
 */
export async function benchHeldSnapshot(environment, report) {
  const control = await measure(environment, (counting) => oneTableLives(environment, counting));
  const held = `last window of ${heldSeconds} s with a held snapshot (jobs/s)`;
  report('one table with a status column, first window (jobs/s)', { rate: control.first });
  report(`one table, ${held}`, { rate: control.last }, [
    ['its first window, for comparison', control.last / control.first, 0],
  ]);
  const installation = await anotherInstallation(environment, 'held');
  const ours = await inProcess(installation, (rooms) =>
    measure(installation, (counting) =>
      wholeLives(rooms, { clients: CLIENTS, batch: BATCH, ...counting }),
    ),
  );
  report('repositories, first window (jobs/s)', { rate: ours.first });
  report(`repositories, ${held}`, { rate: ours.last }, [
    ['their first window', ours.last / ours.first, 0.6],
    ['the one table', ours.last / control.last, 1],
  ]);
}

/** Jobs per second in the first and in the last window after the snapshot was taken. */
async function measure({ databaseUrl }, live) {
  let completed = 0;
  let isOver = false;
  const living = live({ isOver: () => isOver, onCompleted: (jobs) => (completed += jobs) });
  const window = async () => {
    const before = completed;
    const startedAt = performance.now();
    await sleep(WINDOW_MS);
    return (completed - before) / ((performance.now() - startedAt) / 1000);
  };
  const watching = async () => {
    await sleep(WARM_UP_MS);
    const holder = new pg.Client({ connectionString: databaseUrl });
    await holder.connect();
    try {
      await holder.query('begin isolation level repeatable read');
      await holder.query('select count(*) from pg_class');
      const first = await window();
      await sleep(heldSeconds * 1000 - 2 * WINDOW_MS);
      return { first, last: await window() };
    } finally {
      isOver = true;
      await holder.end();
    }
  };
  const [rates] = await Promise.all([watching(), living]);
  return rates;
}

/** Insert, claim and complete on one table: an update for each change of status, and an index to find what is pending. */
async function oneTableLives({ databaseUrl, client }, { isOver, onCompleted }) {
  await client.query(`
    create table one_table (id bigint generated always as identity primary key, queue text not null, status text not null,
      payload json not null, attempts int not null default 0, worker text, lease_until timestamptz, result json,
      created_at timestamptz not null default now(), started_at timestamptz, finished_at timestamptz)
      with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
    create index on one_table (queue, id) where status = 'pending';
    create index on one_table (lease_until) where status = 'processing';
    create index on one_table (queue, status, created_at)`);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: CLIENTS });
  try {
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, index) => {
        const queue = `bench-${index}`;
        while (!isOver()) {
          await pool.query({ name: 'one-insert', text: oneTable.insert, values: [queue, PAYLOAD] });
          const { rows } = await pool.query({
            name: 'one-claim',
            text: oneTable.claim,
            values: [queue],
          });
          const ids = rows.map(({ id }) => id);
          await pool.query({ name: 'one-complete', text: oneTable.complete, values: [ids] });
          onCompleted(ids.length);
        }
      }),
    );
  } finally {
    await pool.end();
    await client.query('drop table one_table');
  }
}

const oneTable = {
  insert: `insert into one_table (queue, status, payload) select $1, 'pending', $2::json from generate_series(1, ${BATCH})`,
  claim: `
    update one_table set status = 'processing', attempts = attempts + 1, worker = 'w', started_at = now(),
      lease_until = now() + interval '60 seconds'
    where id = any (array(
      select id from one_table where queue = $1 and status = 'pending' order by id limit ${BATCH} for update skip locked))
    returning id, payload`,
  complete: `
    update one_table set status = 'completed', finished_at = now(), lease_until = null
    where id = any ($1::bigint[]) and status = 'processing'`,
};
