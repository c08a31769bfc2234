import { sql } from '@spooled/postgres';

const columns = 'id, name, queues, rate_limit, is_active, created_at, last_used, expires_at';

/**
 * Locks the organization until commit, so that creates and activations of its keys come one after the other, and tells
 * its plan. A count in the same statement would see the table as it was before the wait for the lock.
 */
export const lockOrganization = sql(
  'keys.lock-organization',
  `select plan_tier, custom_limits from auth.organization
   where id = $1 and deleted_at is null
   for no key update`,
);

/** Active keys are what the plan limits; one that has expired counts until it is revoked, as it is listed. */
export const countActive = sql(
  'keys.count-active',
  `select count(*) as active from auth.api_key where organization_id = $1 and is_active`,
);

export const insert = sql(
  'keys.insert',
  `insert into auth.api_key (organization_id, id, name, key_hash, queues, rate_limit, expires_at)
   values ($1, $2, $3, $4, $5, $6, $7)
   returning ${columns}`,
);

export const list = sql(
  'keys.list',
  `select ${columns} from auth.api_key
   where organization_id = $1
   order by created_at desc, id desc
   limit 100`,
);

export const listActive = sql(
  'keys.list-active',
  `select ${columns} from auth.api_key
   where organization_id = $1 and is_active
   order by created_at, id
   limit 1000`,
);

/** The oldest key that may use every queue now: who owns the organization acts with it. */
export const findOwner = sql(
  'keys.find-owner',
  `select ${columns} from auth.api_key
   where organization_id = $1 and is_active and (expires_at is null or expires_at > now())
     and (queues = '{}' or '*' = any (queues))
   order by created_at, id
   limit 1`,
);

export const find = sql(
  'keys.find',
  `select ${columns} from auth.api_key where organization_id = $1 and id = $2`,
);

/** Absent values (null) leave a column as it is; the rate limit, which may be null itself, says so apart. */
export const update = sql(
  'keys.update',
  `update auth.api_key
   set name = coalesce($3, name),
       queues = coalesce($4, queues),
       rate_limit = case when $5::boolean then $6 else rate_limit end,
       is_active = coalesce($7, is_active)
   where organization_id = $1 and id = $2
   returning ${columns}`,
);

export const revoke = sql(
  'keys.revoke',
  `update auth.api_key set is_active = false
   where organization_id = $1 and id = $2
   returning id`,
);

export const revokeAll = sql(
  'keys.revoke-all',
  `update auth.api_key set is_active = false where organization_id = $1 and is_active`,
);

/** Whose key has this hash. Answers before the organization is known; see the migration. */
export const findByHash = sql(
  'keys.find-by-hash',
  `select organization_id, id from auth.find_key($1)`,
);

/**
 * What a key grants at this instant, if anything: it is active and in time, its organization lives, and the session
 * (when one is asked for) is the key's own and not revoked.
 */
export const findAccess = sql(
  'keys.find-access',
  `select k.organization_id, k.id, k.key_hash, k.queues, k.rate_limit, k.expires_at,
          o.plan_tier, o.custom_limits
   from auth.api_key k
   join auth.organization o on o.id = k.organization_id
   where k.organization_id = $1 and k.id = $2
     and k.is_active and (k.expires_at is null or k.expires_at > now())
     and o.deleted_at is null
     and ($3::uuid is null or exists (
       select 1 from auth.session s
       where s.organization_id = $1 and s.sid = $3
         and s.api_key_id = k.id and s.revoked_at is null))`,
);

/**
 * Notes that keys were used, at most once a minute each. Rows that someone else holds are skipped: the next use notes
 * them, and two instances can never wait for each other.
 */
export const touch = sql(
  'keys.touch',
  `update auth.api_key k set last_used = now()
   from (
     select t.organization_id, t.id
     from auth.api_key t
     join unnest($1::uuid[], $2::uuid[]) as used (organization_id, id)
       on t.organization_id = used.organization_id and t.id = used.id
     where t.last_used is null or t.last_used <= now() - interval '1 minute'
     for no key update of t skip locked
   ) due
   where k.organization_id = due.organization_id and k.id = due.id`,
);

/** Keeps the first fingerprint ever given and tells which it is. */
export const keepPepper = sql(
  'keys.keep-pepper',
  `with first as (
     insert into auth.key_pepper (fingerprint) values ($1)
     on conflict (is_only_row) do nothing
     returning fingerprint
   )
   select fingerprint from first
   union all
   select fingerprint from auth.key_pepper
   limit 1`,
);
