import { sql } from '@spooled/postgres';

/**
 * Takes at most $1 schedules that are due, longest overdue first, with payload and tags if these are at most $2 bytes.
 * What another instance is firing is skipped, so instances share the work. `is_waiting`: an earlier fire is still to be
 * sent, because job-api was not there to take it; asked schedule by schedule, or all that wait would be read each time.
 */
export const due = sql(
  'schedules.due',
  `select s.organization_id, s.id, s.cron_expression, s.timezone, s.body_bytes,
     extract(epoch from s.next_run_at) * 1000 as tick_ms, extract(epoch from now()) * 1000 as now_ms,
     s.queue_name, s.priority, s.max_retries, s.timeout_seconds,
     case when s.body_bytes <= $2 then s.payload_template end as payload_template,
     case when s.body_bytes <= $2 then s.tags end as tags,
     coalesce((
       select true from schedules.run r
       where r.organization_id = s.organization_id and r.schedule_id = s.id
         and r.resend_at is not null and r.status = 'pending'
       limit 1
     ), false) as is_waiting
   from schedules.schedule s
   where s.is_active and s.next_run_at <= now()
   order by s.next_run_at, s.organization_id
   limit $1
   for update of s skip locked`,
);

/** How long until the next schedule is due, in milliseconds; null when there is none. */
export const untilDue = sql(
  'schedules.until-due',
  `select extract(epoch from min(next_run_at) - clock_timestamp()) * 1000 as delay_ms
   from schedules.schedule where is_active`,
);

/**
 * Moves schedules on to their next tick, and begins the runs of those that fire: organizations, schedules, ticks, next
 * ticks, runs (null: none). $6: seconds after which somebody asks again for the job. A tick that was fired already,
 * before the clock of the database was set back, has its run and keeps it.
 */
export const fire = sql(
  'schedules.fire',
  `with fired as (
     select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::uuid[])
       as f (organization_id, schedule_id, tick, next_run_at, run_id)
   ), moved as (
     update schedules.schedule s
     set next_run_at = f.next_run_at,
       last_run_at = case when f.run_id is null then s.last_run_at else now() end,
       run_count = s.run_count + (f.run_id is not null)::int
     from fired f
     where s.organization_id = f.organization_id and s.id = f.schedule_id
   )
   insert into schedules.run (organization_id, id, schedule_id, tick, status, resend_at)
   select organization_id, run_id, schedule_id, tick, 'running', now() + make_interval(secs => $6)
   from fired where run_id is not null
   on conflict (organization_id, id) do nothing`,
);

/** Begins the run of a schedule that somebody triggers. Zero rows when there is no such schedule. */
export const trigger = sql(
  'schedules.trigger',
  `with triggered as (
     update schedules.schedule set last_run_at = now(), run_count = run_count + 1
     where organization_id = $1 and id = $2
     returning organization_id, id
   )
   insert into schedules.run (organization_id, id, schedule_id, status, resend_at)
   select organization_id, $3, id, 'running', now() + make_interval(secs => $4) from triggered
   returning started_at`,
);

/** What the jobs of schedules are made of. Schedules that are gone are absent. */
export const bodies = sql(
  'schedules.bodies',
  `select s.organization_id, s.id, s.queue_name, s.payload_template, s.priority, s.max_retries, s.timeout_seconds, s.tags
   from unnest($1::uuid[], $2::uuid[]) as f (organization_id, id)
   join schedules.schedule s on s.organization_id = f.organization_id and s.id = f.id`,
);

/**
 * Ends runs: organizations, runs, statuses, error messages. A run that ended already is left as it is. Answers how long
 * after its tick a run ended, in seconds; null when it was triggered.
 */
export const end = sql(
  'schedules.end-runs',
  `update schedules.run r
   set status = e.status, error_message = e.error_message, completed_at = now(), resend_at = null
   from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as e (organization_id, id, status, error_message)
   where r.organization_id = e.organization_id and r.id = e.id and r.completed_at is null
   returning r.organization_id, r.id, r.status, extract(epoch from now() - r.tick) as lag_secs, now() as at`,
);

/** Puts runs off for $3 seconds. */
export const postpone = sql(
  'schedules.postpone-runs',
  `update schedules.run r set status = 'pending', resend_at = now() + make_interval(secs => $3)
   from unnest($1::uuid[], $2::uuid[]) as p (organization_id, id)
   where r.organization_id = p.organization_id and r.id = p.id and r.completed_at is null`,
);

/**
 * Takes at most $1 runs whose time to be sent again has come, for $2 seconds; those that a crash left behind as well as
 * those that were put off. They stay pending meanwhile, so that later ticks still collapse into them. `body_bytes` is
 * null when the schedule is gone.
 */
export const takeUnsent = sql(
  'schedules.take-unsent',
  `with unsent as (
     select organization_id, id from schedules.run
     where resend_at is not null and resend_at <= now()
     order by resend_at
     limit $1
     for update skip locked
   )
   update schedules.run r set status = 'pending', resend_at = now() + make_interval(secs => $2)
   from unsent u
   where r.organization_id = u.organization_id and r.id = u.id
   returning r.organization_id, r.id, r.schedule_id,
     extract(epoch from now() - r.started_at) * 1000 as age_ms,
     (select s.body_bytes from schedules.schedule s
      where s.organization_id = r.organization_id and s.id = r.schedule_id) as body_bytes`,
);

export const history = sql(
  'schedules.history',
  `select id, schedule_id, status, error_message, started_at, completed_at
   from schedules.run
   where organization_id = $1 and schedule_id = $2
   order by id desc
   limit $3 offset $4`,
);

/** A page of organizations after $1 that have runs, found by jumping from one to the next in the index. */
export const organizationsWithRuns = sql(
  'schedules.organizations-with-runs',
  `with recursive found as (
     (select organization_id from schedules.run where organization_id > $1 order by organization_id limit 1)
     union all
     select (select r.organization_id from schedules.run r
             where r.organization_id > f.organization_id order by r.organization_id limit 1)
     from found f where f.organization_id is not null
   )
   select organization_id from found where organization_id is not null limit $2`,
);

/** Forgets at most $3 runs of an organization that are older than the id $2, whether or not their schedule is there. */
export const prune = sql(
  'schedules.prune-runs',
  `with old as (
     select organization_id, id from schedules.run
     where organization_id = $1 and id < $2 and completed_at is not null
     order by id
     limit $3
   )
   delete from schedules.run r using old
   where r.organization_id = old.organization_id and r.id = old.id
   returning r.id`,
);
