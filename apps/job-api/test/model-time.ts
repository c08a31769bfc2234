import type { Tenant } from './setup.js';

/** Lets the time run out in which a job may begin. */
export async function lapse({ world }: Tenant, id: string): Promise<void> {
  await world.owner.query(
    `with ready as (update jobs.job_ready set expires_at = now() where id = $1)
     update jobs.job_deferred set expires_at = now() where id = $1`,
    [id],
  );
}

/** Lets the time come for which a job is scheduled or until which it backs off; not that of one that waits for others. */
export async function fallDue({ world }: Tenant, id: string): Promise<void> {
  await world.owner.query(
    `update jobs.job_deferred d set due_at = now(), scheduled_at = now() from jobs.job_state s
     where d.id = $1 and s.organization_id = d.organization_id and s.id = d.id and s.dependencies_met`,
    [id],
  );
}

/** A backoff ends by the clock; one that is held back ends when the test says so. */
export async function holdBack({ world }: Tenant, id: string): Promise<void> {
  await world.owner.query(
    `update jobs.job_deferred set due_at = '2090-01-01'
     where id = $1 and status = 'pending' and due_at is not null`,
    [id],
  );
}
