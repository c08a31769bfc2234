import { sql } from '@spooled/postgres';

/** A delivery that is there already is the same one: its id says so. */
export const insert = sql(
  'webhooks.delivery-insert',
  `insert into webhooks.delivery (organization_id, id, lane, endpoint_id, event, body, url, secret,
     traceparent)
   select $1, d.id, d.lane, d.endpoint_id, d.event, d.body, d.url, d.secret, d.traceparent
   from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::json[], $7::text[], $8::bytea[],
     $9::text[]) as d(id, lane, endpoint_id, event, body, url, secret, traceparent)
   on conflict (organization_id, id) do nothing`,
);

/**
 * A page of lanes with deliveries that are due, after ($1, $2): steps from lane to lane along the index, so
 * how many wait for each is no matter.
 */
export const dueLanes = sql(
  'webhooks.due-lanes',
  `with recursive pending as (
     (select organization_id, lane from webhooks.delivery
      where status = 'pending' and (organization_id, lane) > ($1::uuid, $2::uuid)
      order by organization_id, lane limit 1)
     union all
     select next.organization_id, next.lane
     from pending l cross join lateral (
       select d.organization_id, d.lane from webhooks.delivery d
       where d.status = 'pending' and (d.organization_id, d.lane) > (l.organization_id, l.lane)
       order by d.organization_id, d.lane limit 1
     ) next
   )
   select organization_id, lane from pending l
   where exists (
     select from webhooks.delivery d
     where d.organization_id = l.organization_id and d.lane = l.lane and d.status = 'pending'
       and d.due_at <= now())
   limit $3`,
);

/**
 * Takes due deliveries, up to $3 for each lane, until $4 seconds from now; answers what sending them takes. Endpoints
 * that are disabled or gone are told of too, so that their deliveries end.
 */
export const claim = sql(
  'webhooks.delivery-claim',
  `with picked as materialized (
     select due.organization_id, due.id
     from unnest($1::uuid[], $2::uuid[], $3::int[]) as l(organization_id, lane, room)
     cross join lateral (
       select d.organization_id, d.id from webhooks.delivery d
       where d.organization_id = l.organization_id and d.lane = l.lane and d.status = 'pending'
         and d.due_at <= now()
       order by d.due_at limit l.room for update skip locked
     ) due
   ),
   claimed as (
     update webhooks.delivery d
     set due_at = now() + make_interval(secs => $4::float8), lease_id = gen_random_uuid()
     from picked p where d.organization_id = p.organization_id and d.id = p.id
     returning d.organization_id, d.id, d.lane, d.endpoint_id, d.event, d.body, d.attempts, d.lease_id, d.url, d.secret,
       d.traceparent
   )
   select c.organization_id, c.id, c.lane, c.endpoint_id, c.event, c.body::text as body, c.attempts, c.lease_id, c.traceparent,
     coalesce(c.url, e.url) as url, c.endpoint_id is null or e.enabled as enabled, coalesce(c.secret, e.secret) as secret,
     case when e.previous_secret_until > now() then e.previous_secret end as previous_secret
   from claimed c
   left join webhooks.endpoint e on e.organization_id = c.organization_id and e.id = c.endpoint_id`,
);

/**
 * Writes down what came of attempts, in the order in which they ended, and what that means for their endpoints: one
 * success forgets the failures before it, and $10 failed deliveries without one disable it. An attempt whose lease was
 * lost says nothing: the one that took it over does.
 */
export const settle = sql(
  'webhooks.delivery-settle',
  `with input as materialized (
     select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::int[], $7::text[], $8::text[],
       $9::float8[]) with ordinality
       as i(organization_id, id, lease_id, status, attempts, status_code, response_body, error, delay_secs, ord)
   ),
   settled as (
     update webhooks.delivery d
     set status = i.status, attempts = i.attempts, status_code = i.status_code, response_body = i.response_body,
       error = i.error, lease_id = null,
       due_at = case when i.status = 'pending' then now() + make_interval(secs => i.delay_secs) end,
       delivered_at = case when i.status = 'success' then now() end
     from input i
     where d.organization_id = i.organization_id and d.id = i.id and d.lease_id = i.lease_id
     returning d.organization_id, d.endpoint_id, d.status, i.ord
   ),
   ended as (
     select organization_id, endpoint_id, status, ord,
       max(ord) filter (where status = 'success') over (partition by organization_id, endpoint_id) as success_ord
     from settled where status <> 'pending' and endpoint_id is not null
   ),
   tally as (
     select organization_id, endpoint_id, bool_or(status = 'success') as has_success,
       count(*) filter (where status = 'failed' and ord > coalesce(success_ord, 0))::int as failures,
       (array_agg(status order by ord desc))[1] as last_status
     from ended group by organization_id, endpoint_id order by organization_id, endpoint_id
   ),
   judged as (
     update webhooks.endpoint e
     set failure_count = case when t.has_success then 0 else e.failure_count end + t.failures,
       enabled = case when t.has_success then 0 else e.failure_count end + t.failures < $10::int,
       last_status = case
         when case when t.has_success then 0 else e.failure_count end + t.failures < $10::int then t.last_status
         else 'auto_disabled' end,
       last_triggered_at = now()
     from tally t
     where e.organization_id = t.organization_id and e.id = t.endpoint_id and e.enabled
     returning e.organization_id, e.id, e.enabled
   )
   select organization_id, id from judged where not enabled`,
);

const columns = `id, endpoint_id as webhook_id, event, body as payload, status, status_code, response_body, error,
  attempts, created_at, delivered_at`;

export const history = sql(
  'webhooks.delivery-history',
  `select ${columns} from webhooks.delivery
   where organization_id = $1 and endpoint_id = $2 order by id desc limit $3`,
);

/** Makes an ended delivery pending again, as if nothing had come of it. One that is pending stays as it is. */
export const redeliver = sql(
  'webhooks.delivery-redeliver',
  `update webhooks.delivery
   set status = 'pending', attempts = 0, due_at = now(), delivered_at = null
   where organization_id = $1 and endpoint_id = $2 and id = $3 and status <> 'pending'
   returning id`,
);

export const exists = sql(
  'webhooks.delivery-exists',
  `select id from webhooks.delivery where organization_id = $1 and endpoint_id = $2 and id = $3`,
);

/** A page of organizations that have deliveries, after $1. */
export const organizations = sql(
  'webhooks.delivery-organizations',
  `with recursive org as (
     (select organization_id from webhooks.delivery where organization_id > $1 order by organization_id limit 1)
     union all
     select next.organization_id from org o cross join lateral (
       select d.organization_id from webhooks.delivery d
       where d.organization_id > o.organization_id order by d.organization_id limit 1
     ) next
   )
   select organization_id from org limit $2`,
);

/** Forgets deliveries with ids before $2, at most $3. */
export const prune = sql(
  'webhooks.delivery-prune',
  `delete from webhooks.delivery d
   using (select id from webhooks.delivery where organization_id = $1 and id < $2 order by id limit $3) old
   where d.organization_id = $1 and d.id = old.id returning d.id`,
);
