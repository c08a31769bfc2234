import { sql } from '@spooled/postgres';
import { byKey } from './by-key.sql.js';

/** The trace contexts in which jobs were put in; those without are left out. */
export const traceparents = sql(
  'jobs.traceparents',
  `
  select j.id, j.traceparent
  from unnest($1::uuid[], $2::uuid[]) as i(organization_id, id)
  join jobs.job j on ${byKey('j', 'i')}
  where j.traceparent is not null`,
);
