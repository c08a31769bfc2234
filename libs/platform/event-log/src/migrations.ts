import type { Migration } from '@spooled/postgres';

const tables = `
create schema if not exists events;

-- spooled_event_writer: what a room's role needs to append for the organizations of its transaction.
-- spooled_events: reads and repairs the log of every organization (sweeper, replay, loops of the rooms).
do $$ begin
  create role spooled_event_writer nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  create role spooled_events nologin;
exception when duplicate_object or unique_violation then null;
end $$;
-- An owner that is no superuser may only take on roles it is a member of.
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_event_writer, spooled_events to current_user;
  end if;
end $$;

-- Made with the database; a restore from a backup replaces it, so that cursors of the lost history are recognised.
create table events.epoch (
  is_only boolean primary key default true check (is_only),
  epoch text not null
);
insert into events.epoch (epoch) values (left(replace(gen_random_uuid()::text, '-', ''), 8));

-- The newest sequence of each organization. Its row lock, held until commit, makes sequence order commit order.
create table events.position (
  organization_id uuid primary key,
  last_seq bigint not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- One row is what one transaction added: events first_seq..last_seq of the organization.
create table events.log (
  organization_id uuid not null,
  first_seq bigint not null,
  last_seq bigint not null,
  events json not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, last_seq, created_at)
) partition by range (created_at);

-- Catches rows when nobody made a partition in time; roll_partitions moves them out.
create table events.log_overflow partition of events.log default;
alter table events.log_overflow enable row level security;

-- What the bus has not confirmed yet.
create table events.outbox (
  organization_id uuid not null,
  last_seq bigint not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, last_seq)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Makes the partitions of the coming two days and drops those that ended before the retention.
-- Runs as its owner: the roles of the services own no table.
create function events.roll_partitions(retention interval) returns void
language plpgsql security definer set search_path = pg_catalog, events as $$
declare
  width constant interval := '4 hours';
  first timestamptz := date_bin(width, now(), timestamptz 'epoch');
  lower_bound timestamptz;
  partition_name text;
  old record;
begin
  -- One caller at a time; the others find the work done.
  perform pg_advisory_xact_lock(7306566);
  for step in 0..12 loop
    lower_bound := first + step * width;
    partition_name := 'log_' || to_char(lower_bound at time zone 'UTC', 'YYYYMMDDHH24');
    if to_regclass('events.' || partition_name) is null then
      execute format('create table events.%I (like events.log including defaults including constraints)', partition_name);
      execute format('with moved as (delete from events.log_overflow where created_at >= %L and created_at < %L returning *) insert into events.%I select * from moved',
        lower_bound, lower_bound + width, partition_name);
      execute format('alter table events.log attach partition events.%I for values from (%L) to (%L)',
        partition_name, lower_bound, lower_bound + width);
      execute format('alter table events.%I enable row level security', partition_name);
    end if;
  end loop;
  for old in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'events.log'::regclass and c.relname ~ '^log_[0-9]{10}$'
      and to_timestamp(substr(c.relname, 5) || '+00', 'YYYYMMDDHH24TZH') + width < now() - retention
  loop
    execute format('drop table events.%I', old.relname);
  end loop;
  delete from events.log_overflow where created_at < now() - retention;
end $$;
revoke all on function events.roll_partitions from public;

grant usage on schema events to spooled_event_writer, spooled_events;
grant select on events.epoch to spooled_event_writer, spooled_events;
grant select, insert, update on events.position to spooled_event_writer, spooled_events;
grant insert on events.log, events.outbox to spooled_event_writer;
grant select, insert on events.log to spooled_events;
grant select, insert, delete on events.outbox to spooled_events;
grant execute on function events.roll_partitions to spooled_events;

alter table events.position enable row level security;
alter table events.position force row level security;
alter table events.log enable row level security;
alter table events.log force row level security;
alter table events.outbox enable row level security;
alter table events.outbox force row level security;
create policy tenant on events.position to spooled_event_writer
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy tenant on events.log to spooled_event_writer
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy tenant on events.outbox to spooled_event_writer
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy maintenance on events.position to spooled_events using (true);
create policy maintenance on events.log to spooled_events using (true);
create policy maintenance on events.outbox to spooled_events using (true);

select events.roll_partitions('24 hours');
`;

const reader = `
-- What a room's role needs to follow the logs of the organizations of its transaction by position.
do $$ begin
  create role spooled_event_reader nologin;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    grant spooled_event_reader to current_user;
  end if;
end $$;
grant usage on schema events to spooled_event_reader;
grant select on events.position, events.log to spooled_event_reader;
create policy reader on events.position for select to spooled_event_reader
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
create policy reader on events.log for select to spooled_event_reader
  using (organization_id = any ((select current_setting('app.orgs')::uuid[])::uuid[]));
`;

const renewal = `
-- For whoever has restored the database from a backup: numbers that were given out since then are given out again, for
-- other events. Only the owner may.
create function events.renew_epoch() returns text
language sql set search_path = pg_catalog, events as $$
  update events.epoch set epoch = left(replace(gen_random_uuid()::text, '-', ''), 8) returning epoch;
$$;
revoke all on function events.renew_epoch from public;
`;

export const eventLogMigrations: readonly Migration[] = [
  { name: '0000-event-log', up: tables },
  { name: '0001-event-reader', up: reader },
  { name: '0002-renew-epoch', up: renewal },
];
