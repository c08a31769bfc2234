import { Inject, Injectable } from '@nestjs/common';
import { AppError, jobsRpc, type EnqueueCommand } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import {
  activeTraceparent,
  failSpan,
  inSpan,
  isTracing,
  LOGGER,
  Metrics,
  sharedBy,
  spanTraceparent,
  startSpan,
  type Logger,
  type Span,
} from '@spooled/telemetry';
import { grouped } from './domain/groups.js';
import { isWorthRepeating, type Refusal } from './domain/run.js';
import {
  RunRepository,
  type Body,
  type Run,
  type RunEnd,
  type RunKey,
} from './store/run.repository.js';

/** What one message may hold: half of what a nats-server takes by default, and as many jobs as job-api does. */
const GROUP = { maxBytes: 512 * 1024, maxItems: 500 };
/** Of a job, besides its payload and tags. */
const ENVELOPE_BYTES = 512;
/** After which runs that nobody took are sent again, in seconds. */
const POSTPONED_SECS = 2;

const GONE: Refusal = { code: 'NOT_FOUND', message: 'The schedule was deleted.' };

/** `null`: the job is enqueued, now or before. */
type Outcome = Refusal | null;

/**
 * Has the jobs of runs enqueued, and writes down what came of it. Runs are committed before they come here, and a job
 * has the id of its run, so asking twice makes one job, and whoever dies on the way leaves runs that are sent again.
 */
@Injectable()
export class RunSender {
  readonly #fires;
  readonly #lag;
  #isFailing = false;

  constructor(
    private readonly runs: RunRepository,
    private readonly bus: Bus,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#fires = metrics.counter({
      name: 'spooled_schedule_fires_total',
      help: 'Fires of schedules by what came of them; a postponed one is sent again.',
      labelNames: ['outcome'],
    });
    this.#lag = metrics.histogram({
      name: 'spooled_schedule_fire_lag_seconds',
      help: 'From the tick of a schedule to the answer that its job is enqueued, or refused.',
      buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600],
    });
  }

  /** Never throws: what cannot be sent, or written down, now is sent again later. Stops between messages. */
  async send(runs: readonly Run[], signal: AbortSignal): Promise<void> {
    for (const group of grouped(runs, ({ bodyBytes }) => bodyBytes + ENVELOPE_BYTES, GROUP)) {
      if (signal.aborted) return;
      try {
        await this.#sendGroup(group);
      } catch (error) {
        this.#complain(error);
      }
    }
  }

  /**
   * Sends the run of somebody who waits for the answer. It is not sent again: they are told, and may ask again.
   * @throws AppError why there is no job
   */
  async sendNow(run: RunKey, body: Body): Promise<void> {
    let refusal: AppError | null;
    try {
      const { outcomes } = await this.#enqueue([command(run, body, activeTraceparent())]);
      const [outcome] = outcomes;
      refusal = outcome !== undefined && 'failure' in outcome ? refusalOf(outcome.failure) : null;
    } catch (error) {
      refusal = asAppError(error);
    }
    try {
      const errorMessage = refusal?.message ?? null;
      await this.#end([{ run, queueName: body.queue_name, errorMessage }]);
    } catch (error) {
      // The run is sent once more then, and found to have its job.
      this.#complain(error);
    }
    if (refusal !== null) throw refusal;
  }

  async #sendGroup(group: readonly Run[]): Promise<void> {
    const bodies = await this.runs.bodies(group.filter(({ body }) => body === null));
    const outcomes = await this.#ask(group, bodies);
    const queueOf = (run: Run): string | null =>
      (run.body ?? bodies.get(run.scheduleId))?.queue_name ?? null;
    const ended: RunEnd[] = [];
    const postponed: Run[] = [];
    group.forEach((run, index) => {
      const outcome = outcomes[index]!;
      if (outcome !== null && isWorthRepeating(outcome, run.ageMs)) postponed.push(run);
      else ended.push({ run, queueName: queueOf(run), errorMessage: outcome?.message ?? null });
    });
    await this.#end(ended);
    await this.runs.postpone(postponed, POSTPONED_SECS);
    this.#fires.inc({ outcome: 'postponed' }, postponed.length);
    if (postponed.length > 0) this.#complain(outcomes.find((outcome) => outcome !== null));
    else this.#isFailing = false;
  }

  async #ask(group: readonly Run[], bodies: ReadonlyMap<string, Body>): Promise<Outcome[]> {
    // Each fire begins a trace of its own, in which its job goes on.
    const spans: (Span | undefined)[] = [];
    const commands = group.flatMap((run) => {
      const body = run.body ?? bodies.get(run.scheduleId);
      if (body === undefined) return [];
      const span = beginFire(run, body);
      spans.push(span);
      return [command(run, body, spanTraceparent(span))];
    });
    const answers = commands.length === 0 ? [] : await this.#askTogether(commands);
    spans.forEach((span, index) => {
      const refusal = answers[index];
      if (refusal != null) failSpan(span, refusal);
      span?.end();
    });
    const byId = new Map(commands.map(({ id }, index) => [id, answers[index]!]));
    return group.map(({ id }) => (byId.has(id) ? byId.get(id)! : GONE));
  }

  #askTogether(commands: readonly EnqueueCommand[]): Promise<Outcome[]> {
    if (!isTracing()) return this.#askAll(commands);
    const traceparents = commands.map(({ traceparent = null }) => traceparent);
    return inSpan('schedule fires', sharedBy(traceparents), () => this.#askAll(commands));
  }

  /** A job that spoils the whole question must not keep the others back: they are asked for one by one then. */
  async #askAll(commands: readonly EnqueueCommand[]): Promise<Outcome[]> {
    try {
      const { outcomes } = await this.#enqueue(commands);
      return outcomes.map((outcome) => ('failure' in outcome ? outcome.failure : null));
    } catch (error) {
      const refusal = asAppError(error);
      if (refusal.code === 'SERVICE_UNAVAILABLE' || commands.length === 1) {
        return commands.map(() => refusal);
      }
      const outcomes: Outcome[] = [];
      for (const each of commands) outcomes.push(...(await this.#askAll([each])));
      return outcomes;
    }
  }

  #enqueue(jobs: readonly EnqueueCommand[]) {
    return this.bus.request(jobsRpc.enqueue, { jobs: [...jobs] });
  }

  async #end(ended: readonly RunEnd[]): Promise<void> {
    for (const { id, status, lag_secs: lagSecs } of await this.runs.end(ended)) {
      this.#fires.inc({ outcome: status });
      // One line for each fire: those that made no job always.
      const level = status === 'failed' ? 'info' : 'debug';
      this.logger[level]({ job_id: id, outcome: status, lag_secs: lagSecs }, 'schedule fire');
      if (lagSecs !== null) this.#lag.observe(lagSecs);
    }
  }

  /** One line when trouble begins: a job-api that is away for an hour must not fill the log. */
  #complain(problem: unknown): void {
    if (!this.#isFailing) this.logger.warn({ err: problem }, 'fires of schedules are sent later');
    this.#isFailing = true;
  }
}

function beginFire({ organizationId, scheduleId, id }: RunKey, body: Body): Span | undefined {
  return startSpan('schedule fire', {
    kind: 'producer',
    parent: null,
    attributes: {
      'messaging.destination.name': body.queue_name,
      'messaging.message.id': id,
      'spooled.organization.id': organizationId,
      'spooled.schedule.id': scheduleId,
    },
  });
}

function command(run: RunKey, body: Body, traceparent: string | null): EnqueueCommand {
  return {
    organizationId: run.organizationId,
    id: run.id,
    queueName: body.queue_name,
    payload: body.payload_template as EnqueueCommand['payload'],
    priority: body.priority,
    maxRetries: body.max_retries,
    timeoutSeconds: body.timeout_seconds,
    tags: body.tags as EnqueueCommand['tags'],
    idempotencyKey: null,
    scheduleId: run.scheduleId,
    traceparent,
  };
}

function refusalOf({ code, message, extra, retryAfterSecs }: Failure): AppError {
  return new AppError(code, message, { extra, retryAfterSecs });
}

/** As it comes over the bus: with what an error body says besides. */
type Failure = Refusal & Partial<Pick<AppError, 'extra' | 'retryAfterSecs'>>;

/** What is no answer of job-api is a bug, here or there. */
function asAppError(error: unknown): AppError {
  return error instanceof AppError
    ? error
    : new AppError('INTERNAL_ERROR', undefined, { cause: error });
}
