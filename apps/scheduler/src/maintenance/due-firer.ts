import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { AppError } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { SCHEDULER_CONFIG, type SchedulerConfig } from '../config.js';
import { tickRunId } from '../schedules/run-id.js';
import { RunSender } from '../schedules/run-sender.js';
import {
  RunRepository,
  SMALL_BODY_BYTES,
  type DueRow,
  type Fire,
  type Run,
} from '../schedules/store/run.repository.js';
import { timetable } from '../schedules/timetable.js';

const BATCH = 500;
/** Batches fired at once while there is more than one. */
const MAX_LANES = 2;
/** Batches whose jobs are being enqueued while the next one is fired. */
const MAX_SENDING = 4;
/** Schedules that become due within one such moment are fired together. */
const MIN_SLEEP_MS = 10;
const HOUR_MS = 3_600_000;
/** How long a stop waits for job-api, between messages. */
const STOP_LIMIT_MS = 5000;

/**
 * Fires schedules that are due. A fire is committed first: the run, and the schedule moved on to the first tick that is
 * still to come, so ticks that were missed collapse into one. Then its job is enqueued. Instances share the work schedule
 * by schedule.
 */
@Injectable()
export class DueFirer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;
  readonly #sending = new Set<Promise<void>>();
  readonly #hurry = new AbortController();
  #wakesAt = 0;
  #lanes = 1;

  constructor(
    private readonly database: Database,
    private readonly runs: RunRepository,
    private readonly sender: RunSender,
    private readonly bus: Bus,
    @Inject(SCHEDULER_CONFIG) private readonly config: SchedulerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'schedules.due-firer',
      step: () => this.step(),
      logger,
      metrics,
    });
  }

  onApplicationBootstrap(): void {
    this.bus.onReconnect(() => this.#loop.wake());
    this.#loop.start();
  }

  /** What was committed is sent as well, unless that takes too long: then another instance sends it. */
  async beforeApplicationShutdown(): Promise<void> {
    const limit = setTimeout(() => this.#hurry.abort(), STOP_LIMIT_MS);
    await this.#loop.stop();
    await Promise.all(this.#sending);
    clearTimeout(limit);
  }

  /** A schedule of this process is due at that time. */
  expect(at: Date): void {
    if (at.getTime() < this.#wakesAt) this.#loop.wake();
  }

  async step(): Promise<number> {
    // While a step is under way every due time that is announced leads to another step.
    this.#wakesAt = Infinity;
    const lanes = await Promise.allSettled(
      Array.from({ length: this.#lanes }, () => this.#fireBatch()),
    );
    const sleepMs = Math.min(...lanes.map(outcome));
    this.#lanes = sleepMs === 0 ? MAX_LANES : 1;
    this.#wakesAt = Date.now() + sleepMs;
    return sleepMs;
  }

  async #fireBatch(): Promise<number> {
    const { SCHEDULE_POLL_MS: pollMs } = this.config;
    // Who cannot have jobs enqueued leaves the ticks to an instance that can.
    if (!this.bus.isConnected) return pollMs;
    const { fires, isFull, delayMs } = await this.#commitFires();
    await this.#send(fires.flatMap(({ run }) => run ?? []));
    return isFull ? 0 : Math.min(Math.max(delayMs ?? pollMs, MIN_SLEEP_MS), pollMs);
  }

  #commitFires(): Promise<{ fires: Fire[]; isFull: boolean; delayMs: number | null }> {
    return this.database.maintenance(async (tx) => {
      const rows = await this.runs.due(tx, BATCH);
      const fires = this.#decide(rows);
      if (fires.length > 0) {
        await this.runs.fire(tx, fires, this.config.SCHEDULE_RESEND_AFTER_SECS);
      }
      const isFull = rows.length === BATCH;
      return { fires, isFull, delayMs: isFull ? 0 : await this.runs.untilDue(tx) };
    });
  }

  #decide(rows: readonly DueRow[]): Fire[] {
    // Thousands of schedules that say the same are evaluated once.
    const nextTicks = new Map<string, Date | null>();
    return rows.map((row) => {
      const rule = `${row.timezone} ${row.cron_expression}`;
      let next = nextTicks.get(rule);
      if (next === undefined) nextTicks.set(rule, (next = this.#nextTick(row)));
      const tick = new Date(row.tick_ms);
      return {
        organizationId: row.organization_id,
        scheduleId: row.id,
        tick,
        nextRunAt: next ?? new Date(row.now_ms + HOUR_MS),
        // A tick whose predecessor still waits for job-api is one of those that collapse.
        run: next === null || row.is_waiting ? null : newRun(row, tick),
      };
    });
  }

  /** `null` when this process does not know the zone: its time zone data may be older than another's. */
  #nextTick({ cron_expression, timezone, now_ms, id }: DueRow): Date | null {
    try {
      return timetable(cron_expression, timezone).nextAfter(new Date(now_ms));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.logger.error({ err: error, scheduleId: id }, 'a schedule cannot be evaluated here');
      return null;
    }
  }

  /** Answers when the jobs are on their way; waits only while too many batches are. */
  async #send(runs: readonly Run[]): Promise<void> {
    if (runs.length === 0) return;
    const sending = this.sender
      .send(runs, this.#hurry.signal)
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
    if (this.#sending.size >= MAX_SENDING) await Promise.race(this.#sending);
  }
}

function newRun(row: DueRow, tick: Date): Run {
  return {
    organizationId: row.organization_id,
    id: tickRunId(row.id, tick),
    scheduleId: row.id,
    body: row.body_bytes <= SMALL_BODY_BYTES ? row : null,
    bodyBytes: row.body_bytes,
    ageMs: 0,
  };
}

function outcome<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}
