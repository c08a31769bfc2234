import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';

/** Events that nobody made deliveries of in time: no dispatcher ran for longer than the log holds them. */
@Injectable()
export class MissedEvents {
  readonly #missed;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#missed = metrics.counter({
      name: 'spooled_webhook_events_missed_total',
      help: 'Events that left the log before they were made into deliveries.',
    });
  }

  tell(organizationId: string, missed: number): void {
    if (missed === 0) return;
    this.#missed.inc(missed);
    this.logger.error({ organizationId, missed }, 'the log was read too late: events are missing');
  }
}
