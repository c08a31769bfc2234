/**
 * The end of a statement that cancels jobs: common table expressions over `gone`, the rows that were taken out of
 * `job_ready` and `job_deferred` (these have no status of their own: 'pending'), and the answer. The time is taken when
 * the rows are in hand: that of the transaction may be before what they follow.
 */
export function cancelled(error: string | null): string {
  return `
  ended as materialized (select gone.*, clock_timestamp() as at from gone),
  finished as (
    insert into jobs.job_finished (organization_id, id, queue_name, status, priority, retry_count, rev, scheduled_at,
      started_at, completed_at, worker_id, last_error, workflow_id, updated_at)
    select organization_id, id, queue_name, 'cancelled', priority, retry_count, rev + 1, scheduled_at,
      started_at, at, last_worker_id, ${error === null ? 'null' : `'${error}'`}, workflow_id, at
    from ended
  ),
  counted as (
    insert into jobs.counter_delta (organization_id, queue_name, pending, scheduled, cancelled)
    select organization_id, queue_name, -(count(*) filter (where status = 'pending')),
      -(count(*) filter (where status = 'scheduled')), count(*)
    from ended group by organization_id, queue_name
  )
  select organization_id, id, queue_name, status, rev + 1 as rev, workflow_id, at from ended`;
}
