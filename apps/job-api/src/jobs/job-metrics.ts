import { Injectable } from '@nestjs/common';
import { Metrics } from '@spooled/telemetry';

/** Counts of ends that several parts of the room bring about. */
@Injectable()
export class JobMetrics {
  readonly cancelled;
  readonly deadLettered;

  constructor(metrics: Metrics) {
    this.cancelled = metrics.counter({
      name: 'spooled_jobs_cancelled_total',
      help: 'Jobs cancelled.',
    });
    this.deadLettered = metrics.counter({
      name: 'spooled_jobs_deadlettered_total',
      help: 'Jobs given up.',
    });
  }
}
