import { OrganizationRows, sql } from '@spooled/postgres';

const columns = `organization_id, id, name, url, events, enabled, secret, previous_secret, previous_secret_until,
  since_seq, failure_count, last_triggered_at, last_status, created_at, updated_at`;

/** Makes everything that enables an endpoint of one organization come one after the other, until commit. */
export const lockSlots = sql(
  'webhooks.lock-slots',
  `select pg_advisory_xact_lock(hashtextextended('webhooks.slots ' || $1::uuid, 0))`,
);

/** Its own statement: one that waited for the lock would count as of before the wait. */
export const countEnabled = sql(
  'webhooks.count-enabled',
  `select count(*) as enabled from webhooks.endpoint where organization_id = $1 and enabled`,
);

export const find = sql(
  'webhooks.find',
  `select ${columns} from webhooks.endpoint where organization_id = $1 and id = $2`,
);

/** Also tells what time it is. */
export const lock = sql(
  'webhooks.lock',
  `select ${columns}, clock_timestamp() as now from webhooks.endpoint
   where organization_id = $1 and id = $2 for update`,
);

export const list = sql(
  'webhooks.list',
  `select ${columns} from webhooks.endpoint where organization_id = $1 order by id desc`,
);

export const insert = sql(
  'webhooks.insert',
  `insert into webhooks.endpoint (organization_id, id, name, url, events, enabled, secret, previous_secret,
     previous_secret_until, since_seq, failure_count)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
   returning ${columns}`,
);

export const revise = sql(
  'webhooks.revise',
  `update webhooks.endpoint
   set name = $3, url = $4, events = $5, enabled = $6, secret = $7, previous_secret = $8, previous_secret_until = $9,
     since_seq = $10, failure_count = $11, updated_at = now()
   where organization_id = $1 and id = $2
   returning ${columns}`,
);

export const remove = sql(
  'webhooks.remove',
  `delete from webhooks.endpoint where organization_id = $1 and id = $2 returning id`,
);

/**
 * Has an organization's log followed, from $2 unless it is already. Writes in any case: whoever stops following because
 * no endpoint is enabled holds the row, and looks again after this one is through.
 */
export const follow = sql(
  'webhooks.follow',
  `insert into webhooks.follower as f (organization_id, purpose, position) values ($1, 'endpoints', $2)
   on conflict (organization_id, purpose) do update set position = f.position`,
);

/** The deliveries last: those to an endpoint could still be made. */
export const rows = new OrganizationRows('webhooks', ['endpoint', 'follower', 'delivery']);
