import { sql } from '@spooled/postgres';

/** How far an organization's log was read for its endpoints; whoever else reads it now leaves nothing to do. */
export const lockPosition = sql(
  'webhooks.lock-position',
  `select position from webhooks.follower
   where organization_id = $1 and purpose = 'endpoints' for update skip locked`,
);

/** How far it was read for completion webhooks. */
export const position = sql(
  'webhooks.position',
  `select position from webhooks.follower where organization_id = $1 and purpose = 'completions'`,
);

/** Moves a position from $3 to $4, unless somebody else has. */
export const advance = sql(
  'webhooks.advance',
  `update webhooks.follower set position = $4
   where organization_id = $1 and purpose = $2 and position = $3
   returning organization_id`,
);

/** The endpoints to be told, read after the lock: one that was enabled meanwhile is among them. */
export const listeners = sql(
  'webhooks.listeners',
  `select id, events, since_seq from webhooks.endpoint where organization_id = $1 and enabled`,
);

export const unfollow = sql(
  'webhooks.unfollow',
  `delete from webhooks.follower where organization_id = $1 and purpose = 'endpoints'`,
);

/** Follows a log for completion webhooks from $2 on, unless it is followed already. */
export const followCompletions = sql(
  'webhooks.follow-completions',
  `insert into webhooks.follower (organization_id, purpose, position) values ($1, 'completions', $2)
   on conflict (organization_id, purpose) do nothing`,
);

/** A page of what is followed, after ($1, $2). */
export const followers = sql(
  'webhooks.followers',
  `select organization_id, purpose, position from webhooks.follower
   where (organization_id, purpose) > ($1, $2) order by organization_id, purpose limit $3`,
);
