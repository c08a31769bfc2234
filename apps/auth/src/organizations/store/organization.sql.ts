import { sql } from '@spooled/postgres';

const columns = `id, name, slug, plan_tier, billing_email, settings, custom_limits, stripe_customer_id,
  stripe_subscription_id, stripe_subscription_status, stripe_current_period_end,
  stripe_cancel_at_period_end, created_at, updated_at`;

export const insert = sql(
  'organizations.insert',
  `insert into auth.organization (id, name, slug, plan_tier, billing_email, settings)
   values ($1, $2, $3, $4, $5, $6)
   returning ${columns}`,
);

export const find = sql(
  'organizations.find',
  `select ${columns} from auth.organization where id = $1 and deleted_at is null`,
);

/** Runs as maintenance: who holds a slug is asked before it is known whose rows to look at. */
export const findIdBySlug = sql(
  'organizations.find-id-by-slug',
  `select id from auth.organization where slug = $1 and deleted_at is null`,
);

/** Runs as maintenance, like the one above. */
export const findIdByAddress = sql(
  'organizations.find-id-by-address',
  `select id from auth.organization where lower(billing_email) = lower($1) and deleted_at is null`,
);

/**
 * Absent values (null) leave a column as it is; the columns that may be null themselves say so apart. New settings
 * replace the old ones, except that the webhook token stays when they do not name one; $9 is laid over either.
 */
export const update = sql(
  'organizations.update',
  `update auth.organization
   set name = coalesce($2, name),
       plan_tier = coalesce($3, plan_tier),
       billing_email = case when $4::boolean then $5 else billing_email end,
       settings = case
         when $6::jsonb is null then settings
         when settings ? 'webhook_token'
           then jsonb_build_object('webhook_token', settings -> 'webhook_token') || $6::jsonb
         else $6::jsonb
       end || coalesce($9::jsonb, '{}'),
       custom_limits = case when $7::boolean then $8::jsonb else custom_limits end,
       updated_at = now()
   where id = $1 and deleted_at is null
   returning ${columns}`,
);

/** Plans of those organizations that still exist. */
export const findPlans = sql(
  'organizations.find-plans',
  `select id, plan_tier, custom_limits from auth.organization
   where id = any ($1::uuid[]) and deleted_at is null`,
);

/** What webhook ingestion must know; text only, since only a text can be compared with what a sender shows. */
export const findIngestion = sql(
  'organizations.find-ingestion',
  `select plan_tier, custom_limits, settings ->> 'webhook_token' as webhook_token,
     settings ->> 'github_webhook_secret' as github_secret,
     settings ->> 'stripe_webhook_secret' as stripe_secret
   from auth.organization where id = $1 and deleted_at is null`,
);

export const replaceWebhookToken = sql(
  'organizations.replace-webhook-token',
  `update auth.organization
   set settings = settings || jsonb_build_object('webhook_token', $2::text), updated_at = now()
   where id = $1 and deleted_at is null
   returning id`,
);

/** Keeps the row: its data can be looked at, and its slug and address are free. */
export const removeSoftly = sql(
  'organizations.remove-softly',
  `update auth.organization set plan_tier = 'deleted', deleted_at = now(), updated_at = now()
   where id = $1 and deleted_at is null
   returning slug`,
);

/** Keys, sessions and tickets go with it, and what is known of its payment. Answers the subscription that runs. */
export const remove = sql(
  'organizations.remove',
  `with gone as (
     delete from auth.organization where id = $1 and ($2 or deleted_at is null)
     returning slug, stripe_customer_id,
       case when stripe_subscription_status not in ('canceled', 'incomplete_expired')
         then stripe_subscription_id end as subscription_id
   ),
   subscriptions as (
     delete from auth.stripe_subscription s using gone g where s.customer_id = g.stripe_customer_id
   )
   select slug, subscription_id from gone`,
);
