import { sql } from '@spooled/postgres';

/** Filters that are null let everything through. */
export const list = sql(
  'audit.list',
  `select id, occurred_at, actor_type, actor_id, action, target, details
   from audit.entry
   where organization_id = $1
     and ($2::timestamptz is null or occurred_at >= $2)
     and ($3::timestamptz is null or occurred_at < $3)
     and ($4::text is null or actor_type = $4 or actor_id::text = $4)
     and ($5::text is null or action = $5)
   order by occurred_at desc, id desc
   limit $6 offset $7`,
);
