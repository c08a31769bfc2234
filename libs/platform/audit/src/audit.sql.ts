import { sql } from '@spooled/postgres';

export const record = sql(
  'audit.record',
  `insert into audit.entry (organization_id, id, actor_type, actor_id, action, target, details)
   values ($1, $2, $3, $4, $5, $6, $7)`,
);
