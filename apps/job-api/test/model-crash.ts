import { eventually } from '@spooled/testing';
import type { Tenant, World } from './setup.js';

/** When a room's connections are lost, counted from a call: at its n-th write, or so many turns of the event loop later. */
export type Fuse = { readonly atWrite: number } | { readonly afterTurns: number };

/** Every write of a call that moves jobs, and its commit, is counted here. */
const TABLES = [
  'jobs.idempotency_key',
  'jobs.job',
  'jobs.job_ready',
  'jobs.job_deferred',
  'jobs.job_running',
  'jobs.job_finished',
  'jobs.job_dependency',
  'jobs.dead_letter',
  'jobs.counter_delta',
  'events.position',
  'events.log',
  'events.outbox',
];

/** All of the room's connections, the one that asks last: its own end waits for the next interrupt check. */
const VICTIMS = `select pid from pg_stat_activity
  where datname = current_database() and application_name like 'spooled%'
  order by pid = pg_backend_pid()`;

const MECHANISM = `
create schema crash;
create sequence crash.write;
select nextval('crash.write');
create table crash.fuse (at bigint);
insert into crash.fuse values (null);
create function crash.burn() returns trigger language plpgsql security definer as $$
begin
  if nextval('crash.write') = (select at from crash.fuse) then
    perform pg_terminate_backend(pid) from (${VICTIMS}) victim;
  end if;
  return null;
end $$;
${TABLES.map(
  (table) => `create trigger crash before insert or update or delete on ${table}
  for each statement execute function crash.burn();`,
).join('\n')}
-- Deferred: fires when the transaction has written everything and is about to commit.
create constraint trigger crash_at_commit after insert on jobs.counter_delta
  deferrable initially deferred for each row execute function crash.burn();
`;

/** Ends the room's database connections at any point of a call, as a failover or an impatient operator would. */
export class Crash {
  private constructor(private readonly world: World) {}

  static async prepare(world: World): Promise<Crash> {
    await world.owner.query(MECHANISM);
    return new Crash(world);
  }

  /** Runs a call whose connections are lost on the way, or a moment after it. */
  async during<T>(fuse: Fuse, call: () => Promise<T>): Promise<T> {
    if ('atWrite' in fuse) {
      await this.arm(fuse.atWrite);
      return call();
    }
    const answer = call();
    for (let turn = 0; turn < fuse.afterTurns; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await this.strike();
    return answer;
  }

  /** The n-th write from now on takes every connection of the room along. */
  async arm(atWrite: number): Promise<void> {
    await this.world.owner.query(
      'update crash.fuse set at = (select last_value from crash.write) + $1',
      [atWrite],
    );
  }

  async disarm(): Promise<void> {
    await this.world.owner.query('update crash.fuse set at = null');
  }

  /** Ends every connection of the room now, whatever it is doing. */
  async strike(): Promise<void> {
    await this.world.owner.query(`select pg_terminate_backend(pid) from (${VICTIMS}) victim`);
  }

  /** Nothing is lost any more: waits until the room has noticed and works again. */
  async isOver(tenant: Tenant): Promise<void> {
    await this.disarm();
    await eventually(async () => {
      const probes = Array.from({ length: 3 }, () => tenant.call('GET', '/jobs/stats'));
      const answers = await Promise.all(probes);
      return answers.every(({ status }) => status === 200);
    });
  }
}
