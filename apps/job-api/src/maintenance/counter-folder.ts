import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '@spooled/postgres';
import { Metrics } from '@spooled/telemetry';
import { Loops } from './loops.js';
import { foldCounters, gauges, pruneActivity } from './maintenance.sql.js';

const FOLD_EVERY_MS = 1000;
const FOLD_BATCH = 20_000;
const GAUGES_EVERY_MS = 5000;
const PRUNE_EVERY_MS = 600_000;

/** Folds counter deltas into counts and activity, and shows the stored state to Prometheus. */
@Injectable()
export class CounterFolder implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.loops.add('jobs.fold-counters', async () => {
      const [row] = await this.database.maintenance((transaction) =>
        transaction.query<{ folded: number }>(foldCounters),
      );
      return row?.folded === FOLD_BATCH ? 0 : FOLD_EVERY_MS;
    });
    this.loops.add('jobs.prune-activity', async () => {
      await this.database.maintenance((transaction) => transaction.query(pruneActivity));
      return PRUNE_EVERY_MS;
    });
    this.#addGauges();
  }

  #addGauges(): void {
    const pending = this.metrics.gauge({ name: 'spooled_jobs_pending', help: 'Jobs pending now.' });
    const processing = this.metrics.gauge({
      name: 'spooled_jobs_processing',
      help: 'Jobs leased to workers now.',
    });
    const maxAge = this.metrics.gauge({
      name: 'spooled_job_max_age_seconds',
      help: 'How long the oldest claimable job has been waiting.',
    });
    this.loops.add('jobs.gauges', async () => {
      const [row] = await this.database.maintenance((transaction) =>
        transaction.query<{ pending: number; processing: number; oldest_due_seconds: number }>(
          gauges,
        ),
      );
      pending.set(row!.pending);
      processing.set(row!.processing);
      maxAge.set(Math.max(0, row!.oldest_due_seconds));
      return GAUGES_EVERY_MS;
    });
  }
}
