import { sql } from '@spooled/postgres';

export const open = sql(
  'sessions.open',
  `insert into auth.session (organization_id, sid, api_key_id, expires_at)
   values ($1, $2, $3, now() + make_interval(secs => $4))`,
);

/** A refreshed token may outlive the session's first end; the row must outlive every token. */
export const extend = sql(
  'sessions.extend',
  `update auth.session
   set expires_at = greatest(expires_at, now() + make_interval(secs => $4))
   where organization_id = $1 and sid = $2 and api_key_id = $3 and revoked_at is null
   returning sid`,
);

export const revoke = sql(
  'sessions.revoke',
  `update auth.session set revoked_at = now()
   where organization_id = $1 and sid = any ($2::uuid[]) and revoked_at is null
   returning sid, api_key_id`,
);

export const saveTicket = sql(
  'tickets.save',
  `insert into auth.ticket
     (organization_id, ticket_hash, api_key_id, token, queue, job_id, expires_at)
   values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))`,
);

/** Deleting is the use: of two who try, one gets the row. */
export const redeemTicket = sql(
  'tickets.redeem',
  `delete from auth.ticket
   where organization_id = $1 and ticket_hash = $2 and expires_at > now()
   returning api_key_id, token, queue, job_id`,
);

/** Both run as maintenance, a batch at a time. Rows in use by another instance are left to it. */
export const pruneSessions = sql(
  'sessions.prune',
  `with gone as (
     delete from auth.session where (organization_id, sid) in (
       select organization_id, sid from auth.session
       where expires_at < now() order by expires_at limit $1
       for update skip locked)
     returning 1
   )
   select count(*) as pruned from gone`,
);
export const pruneTickets = sql(
  'tickets.prune',
  `with gone as (
     delete from auth.ticket where (organization_id, ticket_hash) in (
       select organization_id, ticket_hash from auth.ticket
       where expires_at < now() order by expires_at limit $1
       for update skip locked)
     returning 1
   )
   select count(*) as pruned from gone`,
);
