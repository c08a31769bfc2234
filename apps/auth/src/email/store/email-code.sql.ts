import { sql } from '@spooled/postgres';

/** A new code ends the one before, with its tries. */
export const keep = sql(
  'email-codes.keep',
  `insert into auth.email_code (address_hash, code_hash, expires_at)
   values ($1, $2, now() + make_interval(secs => $3))
   on conflict (address_hash) do update
   set code_hash = excluded.code_hash, tries = 0, expires_at = excluded.expires_at`,
);

/** Counts a try before it is looked at: of many at once, no more than five ever see the hash. */
export const attempt = sql(
  'email-codes.attempt',
  `update auth.email_code set tries = tries + 1
   where address_hash = $1 and tries < 5 and expires_at > now()
   returning code_hash`,
);

/** Deleting is the use: of two who show the right code, one gets the row. */
export const use = sql(
  'email-codes.use',
  `delete from auth.email_code where address_hash = $1 and code_hash = $2 returning 1 as used`,
);

/** Runs as maintenance. */
export const prune = sql(
  'email-codes.prune',
  `with gone as (
     delete from auth.email_code where address_hash in (
       select address_hash from auth.email_code
       where expires_at < now() order by expires_at limit $1
       for update skip locked)
     returning 1
   )
   select count(*) as pruned from gone`,
);
