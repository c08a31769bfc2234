import { startServer } from './environment.mjs';
import { httpLoad, jsonRequest } from './http-load.mjs';
import { BIGGEST_QUEUE, filledInstallation } from './scale-data.mjs';
import { isLong } from './sizes.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? (isLong ? 3 : 1));
const BAR_MS = 100;

const paths = [
  '/jobs',
  '/jobs?order_dir=asc',
  '/jobs?status=pending',
  '/jobs?status=scheduled',
  '/jobs?status=processing',
  '/jobs?status=completed',
  '/jobs?status=deadletter',
  '/jobs?status=cancelled',
  `/jobs?queue_name=${BIGGEST_QUEUE}`,
  '/jobs?queue_name=queue-7',
  '/jobs?queue_name=none',
  '/jobs?queue_name=queue-7&status=pending',
  '/jobs?queue_name=queue-7&status=completed',
  '/jobs?tag=often',
  '/jobs?tag=seldom',
  '/jobs?tag=none',
  '/jobs?status=pending,deadletter',
  '/jobs?job_type=none',
  '/jobs?created_after=2020-01-01T00:00:00Z&created_before=2020-01-02T00:00:00Z',
  '/jobs?q=queue-7',
  '/jobs?q=0',
  '/jobs?q=none',
  '/jobs?offset=10000',
  '/jobs?offset=1000000',
  '/jobs?status=completed&offset=100000',
  '/jobs?order_by=updated_at',
  '/jobs?order_by=completed_at',
  '/jobs?order_by=priority',
  '/jobs?order_by=status',
  '/jobs?order_by=queue_name',
  '/jobs/stats',
  '/queues',
  `/queues/${BIGGEST_QUEUE}`,
  `/queues/${BIGGEST_QUEUE}/stats`,
  '/dashboard',
  '/jobs/dlq',
  '/jobs/dlq?queue_name=queue-7',
  '/jobs/dlq?tag=seldom',
  '/jobs/dlq?tag=none',
  '/jobs/dlq?offset=10000',
];

/** Everything a dashboard reads, as the tenant that owns half of the jobs. One reader, answers one after the other. */
export async function benchReadsAtScale(environment, report) {
  const { key, ...installation } = await filledInstallation(environment);
  const server = await startServer(installation);
  try {
    for (const path of paths) {
      const request = jsonRequest({ method: 'GET', path: `/api/v1${path}`, key });
      const load = { port: server.port, connections: 1, next: () => request };
      // Statements are planned anew five times before the plan is kept: long enough to see the plan that stays.
      await httpLoad({ ...load, seconds: SECONDS / 3 });
      const { rate, ...figures } = await httpLoad({ ...load, seconds: SECONDS });
      report(`GET ${path}`, { ...figures, note: `${figures.count} answers` }, [
        [`of ${BAR_MS} ms at p99 (inverse)`, BAR_MS / figures.p99, 1],
      ]);
    }
  } finally {
    await server.stop();
  }
}
