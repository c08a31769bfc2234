import { sql } from '@spooled/postgres';

/**
 * Appends batches and takes their dense sequence numbers. Positions are locked in organization order, so two
 * transactions that append for several organizations cannot wait for each other in a ring.
 * $1 organizations, $2 event counts, $3 events as JSON text; answers one row per batch, in order.
 */
export const append = sql(
  'events.append',
  `
  with input as materialized (
    select * from unnest($1::uuid[], $2::int[], $3::json[]) with ordinality
      as i(organization_id, count, events, ord)
  ),
  taken as (
    insert into events.position as p (organization_id, last_seq)
    select organization_id, sum(count) from input group by organization_id order by organization_id
    on conflict (organization_id) do update set last_seq = p.last_seq + excluded.last_seq
    returning p.organization_id, p.last_seq
  ),
  placed as materialized (
    select i.ord, i.organization_id, i.count, i.events,
      t.last_seq - sum(i.count) over (partition by i.organization_id)
        + sum(i.count) over (partition by i.organization_id order by i.ord) as last_seq
    from input i join taken t using (organization_id)
  ),
  logged as (
    insert into events.log (organization_id, first_seq, last_seq, events)
    select organization_id, last_seq - count + 1, last_seq, events from placed
  ),
  unconfirmed as (
    insert into events.outbox (organization_id, last_seq)
    select organization_id, last_seq from placed
  )
  select (last_seq - count + 1)::bigint as first_seq, (select epoch from events.epoch) as epoch
  from placed order by ord`,
);

/** The bus confirmed these. Losing this statement in a crash only means confirming them once more. */
export const confirm = sql(
  'events.confirm',
  `
  delete from events.outbox o
  using unnest($1::uuid[], $2::bigint[]) as c(organization_id, last_seq)
  where o.organization_id = c.organization_id and o.last_seq = c.last_seq`,
);

/** Batches that should have been confirmed by now, oldest first. */
export const unconfirmed = sql(
  'events.unconfirmed',
  `
  select o.organization_id, l.first_seq, o.last_seq, l.events, (select epoch from events.epoch) as epoch
  from events.outbox o
  left join events.log l on l.organization_id = o.organization_id and l.last_seq = o.last_seq
  where o.created_at < now() - make_interval(secs => $1::float8)
  order by o.created_at, o.organization_id, o.last_seq
  limit 200`,
);

/** Age of the oldest unconfirmed batch in seconds, 0 when there is none. */
export const lag = sql(
  'events.lag',
  `select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as seconds from events.outbox`,
);

/** Where logs stand; organizations without events stand at 0. */
export const positions = sql(
  'events.positions',
  `
  select w.organization_id, coalesce(p.last_seq, 0) as newest,
    coalesce(
      (select l.first_seq from events.log l
       where l.organization_id = w.organization_id order by l.last_seq limit 1),
      coalesce(p.last_seq, 0) + 1) as oldest,
    (select epoch from events.epoch) as epoch
  from unnest($1::uuid[]) as w(organization_id)
  left join events.position p using (organization_id)`,
);

/** A page of an organization's log: batches that end after $2 and begin at or before $3. Their events are JSON text. */
export const page = sql(
  'events.page',
  `
  select first_seq, events::text as events from events.log
  where organization_id = $1 and last_seq > $2 and first_seq <= $3
  order by last_seq limit $4`,
);

/** The newest sequence of an organization's log; no row = nothing was ever told. */
export const newest = sql(
  'events.newest',
  `select last_seq from events.position where organization_id = $1`,
);

/** Of organizations $1 that somebody has read up to positions $2: those whose log goes on. */
export const behind = sql(
  'events.behind',
  `
  select r.organization_id from unnest($1::uuid[], $2::bigint[]) as r(organization_id, position)
  join events.position p using (organization_id) where p.last_seq > r.position`,
);

/** Batches after $2, oldest first: at most $3, and no more once they hold $4 events. */
export const following = sql(
  'events.following',
  `
  select first_seq, events from (
    select first_seq, last_seq, events, sum(last_seq - first_seq + 1) over (order by last_seq) as total
    from (
      select first_seq, last_seq, events from events.log
      where organization_id = $1 and last_seq > $2
      order by last_seq limit $3
    ) page
  ) counted
  where total - (last_seq - first_seq + 1) < $4
  order by last_seq`,
);

export const rollPartitions = sql(
  'events.roll-partitions',
  `select events.roll_partitions(make_interval(hours => $1::int))`,
);
