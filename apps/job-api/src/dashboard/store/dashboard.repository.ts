import { Injectable } from '@nestjs/common';
import type { Dashboard } from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { activity, counts } from './dashboard.sql.js';

/** What the store knows of a dashboard. */
export interface StoredDashboard {
  readonly jobs: Dashboard['jobs'];
  readonly queues: Dashboard['queues'];
  readonly recentActivity: Dashboard['recent_activity'];
}

/** The overview of an organization, from maintained counts only: it takes the same time however many jobs there are. */
@Injectable()
export class DashboardRepository {
  constructor(private readonly database: Database) {}

  /** Of the queues in `queueNames` only; null = all. */
  async read(
    organizationId: string,
    queueNames: readonly string[] | null,
  ): Promise<StoredDashboard> {
    const scope = [organizationId, queueNames];
    return this.database.transaction([organizationId], async (transaction) => {
      const [[now], [day]] = await Promise.all([
        transaction.query<CountsRow>(counts, scope),
        transaction.query<ActivityRow>(activity, scope),
      ]);
      return toDashboard(now!, day!);
    });
  }
}

interface CountsRow {
  readonly total: number;
  readonly pending: number;
  readonly processing: number;
  readonly deadletter: number;
  readonly queues: Dashboard['queues'];
}
interface ActivityRow {
  readonly completed: number;
  readonly deadletter: number;
  readonly waiting_ms: number | null;
  readonly processing_ms: number | null;
  readonly created_1h: number;
  readonly completed_1h: number;
  readonly deadletter_1h: number;
}

function toDashboard({ queues, ...now }: CountsRow, day: ActivityRow): StoredDashboard {
  return {
    jobs: {
      ...now,
      completed_24h: day.completed,
      failed_24h: day.deadletter,
      avg_wait_time_ms: day.waiting_ms,
      avg_processing_time_ms: day.processing_ms,
    },
    queues,
    recentActivity: {
      jobs_created_1h: day.created_1h,
      jobs_completed_1h: day.completed_1h,
      jobs_failed_1h: day.deadletter_1h,
    },
  };
}
