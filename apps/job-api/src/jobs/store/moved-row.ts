/** What a statement that moves a job tells of it. */
export interface MovedRow {
  readonly organization_id: string;
  readonly workflow_id: string | null;
  readonly id: string;
  readonly queue_name: string;
  readonly rev: number;
  readonly at: Date;
}

/** The same, as events want it. */
export function transition({
  organization_id,
  id,
  queue_name,
  rev,
  at,
}: Omit<MovedRow, 'workflow_id'>) {
  return { organizationId: organization_id, jobId: id, queueName: queue_name, rev, at };
}
