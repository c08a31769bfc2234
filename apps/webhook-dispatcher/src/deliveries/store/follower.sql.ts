import { sql } from '@spooled/postgres';

/** How far an organization's log was read; whoever else reads it now leaves nothing to do. */
export const lockPosition = sql(
  'webhooks.lock-position',
  `select position from webhooks.follower where organization_id = $1 for update skip locked`,
);

export const advance = sql(
  'webhooks.advance',
  `update webhooks.follower set position = $2 where organization_id = $1`,
);

/** The endpoints to be told, read after the lock: one that was enabled meanwhile is among them. */
export const listeners = sql(
  'webhooks.listeners',
  `select id, events, since_seq from webhooks.endpoint where organization_id = $1 and enabled`,
);

export const unfollow = sql(
  'webhooks.unfollow',
  `delete from webhooks.follower where organization_id = $1`,
);

/** A page of what is followed, after $1. */
export const followers = sql(
  'webhooks.followers',
  `select organization_id, position from webhooks.follower
   where organization_id > $1 order by organization_id limit $2`,
);
