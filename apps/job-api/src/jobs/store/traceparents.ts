import type { Transaction } from '@spooled/postgres';
import { isTracing } from '@spooled/telemetry';
import { traceparents } from './traceparents.sql.js';

interface Traced {
  readonly id: string;
  readonly traceparent: string;
}

/**
 * The trace contexts in which jobs were put in, by job. Looked up only where traces are recorded: all others would pay for
 * it with each job that ends.
 */
export async function traceparentsOf(
  transaction: Transaction,
  jobs: readonly { readonly organization_id: string; readonly id: string }[],
): Promise<ReadonlyMap<string, string>> {
  if (!isTracing() || jobs.length === 0) return new Map();
  const rows = await transaction.query<Traced>(traceparents, [
    jobs.map(({ organization_id }) => organization_id),
    jobs.map(({ id }) => id),
  ]);
  return new Map(rows.map(({ id, traceparent }) => [id, traceparent]));
}
