import { sql } from '@spooled/postgres';

const summary = 'o.id, o.name, o.slug, o.plan_tier, o.billing_email, o.created_at, o.updated_at';

/** All of these run as maintenance: they look at every organization. */

/** Those on a plan (null: on any, and live), whose name or slug holds a text (null: any). */
const MATCHES = `
  (case when $1::text is null then o.deleted_at is null else o.plan_tier = $1 end)
  and ($2::text is null or strpos(lower(o.name), lower($2)) > 0 or strpos(o.slug, lower($2)) > 0)`;

const SORTS = {
  created_at: 'o.created_at',
  name: 'lower(o.name)',
  slug: 'o.slug',
  plan_tier: 'o.plan_tier',
  updated_at: 'o.updated_at',
} as const;
const ORDERS = ['asc', 'desc'] as const;

export type ListOrder = `${keyof typeof SORTS} ${(typeof ORDERS)[number]}`;

const listIn = (column: keyof typeof SORTS, order: (typeof ORDERS)[number]) =>
  sql(
    `platform.list-by-${column}-${order}`,
    `select ${summary}, (
       select count(*) from auth.api_key k where k.organization_id = o.id and k.is_active
     ) as api_keys
     from auth.organization o
     where ${MATCHES}
     order by ${SORTS[column]} ${order}, o.id ${order}
     limit $3 offset $4`,
  );

/** A page of the list, a statement for each order. */
export const list = Object.fromEntries(
  (Object.keys(SORTS) as (keyof typeof SORTS)[]).flatMap((column) =>
    ORDERS.map((order) => [`${column} ${order}`, listIn(column, order)]),
  ),
) as Record<ListOrder, ReturnType<typeof sql>>;

export const count = sql(
  'platform.count',
  `select count(*) as total from auth.organization o where ${MATCHES}`,
);

/** Also one that was deleted softly. */
export const find = sql(
  'platform.find',
  `select ${summary}, o.settings, o.custom_limits from auth.organization o where o.id = $1`,
);

export const stats = sql(
  'platform.stats',
  `select plan_tier, count(*) as count,
     count(*) filter (where created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc')
       as created_today,
     count(*) filter (where created_at >= date_trunc('week', now() at time zone 'utc') at time zone 'utc')
       as created_this_week
   from auth.organization where deleted_at is null
   group by plan_tier`,
);
