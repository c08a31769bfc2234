import { Injectable } from '@nestjs/common';
import { Plans } from '@spooled/access';
import { isProduction } from '@spooled/config';
import {
  AppError,
  bulkItem,
  canUseQueue,
  requirePayloadFits,
  type BulkItem,
  type BulkRequest,
  type BulkResponse,
  type EnqueueCommand,
  type EnqueueRequest,
  type PlanLimits,
  type Principal,
} from '@spooled/contracts';
import { urlProblem } from '@spooled/outbound';
import { annotate, readTraceparent } from '@spooled/telemetry';
import { v7 as uuidv7 } from 'uuid';
import { requireQueue } from './require-queue.js';
import { EnqueueRepository, type EnqueueOutcome, type NewJob } from './store/enqueue.repository.js';

/** Use cases of the producer: put jobs in. */
@Injectable()
export class EnqueueService {
  readonly #urlRules = { allowsLocalHttp: !isProduction() };

  constructor(
    private readonly jobs: EnqueueRepository,
    private readonly plans: Plans,
  ) {}

  /** Puts in what other services ask for; safe to repeat, because the ids are theirs. Answers in order. */
  async enqueueFor(commands: readonly EnqueueCommand[]): Promise<CommandOutcome[]> {
    const plans = await this.plans.many([...new Set(commands.map((each) => each.organizationId))]);
    const jobs = commands.map((command) => commandJob(command, plans.get(command.organizationId)));
    const valid = jobs.filter((job): job is NewJob => !(job instanceof AppError));
    const known = valid.length === 0 ? new Set<string>() : await this.jobs.known(valid);
    return Promise.all(
      jobs.map(async (job): Promise<CommandOutcome> => {
        if (job instanceof AppError) return job;
        if (known.has(job.id)) return { jobId: job.id, queueName: job.queueName, created: false };
        return this.#insertOnce(job, plans.get(job.organizationId)!);
      }),
    );
  }

  async #insertOnce(job: NewJob, plan: PlanLimits): Promise<CommandOutcome> {
    try {
      return (await this.jobs.insert([job], plan))[0]!;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // The same command at the same time on another instance: its job is this one, and may be what filled the plan.
      const isThere = (await this.jobs.known([job])).has(job.id);
      return isThere ? { jobId: job.id, queueName: job.queueName, created: false } : error;
    }
  }

  /** @throws AppError `ACCESS_DENIED`, `PAYLOAD_TOO_LARGE`, `VALIDATION_ERROR`, `CONFLICT`, `QUOTA_EXCEEDED` */
  async enqueue(
    caller: Principal,
    request: EnqueueRequest,
    keyHeader: string | undefined,
    traceparent: string | null,
  ): Promise<{ id: string; created: boolean }> {
    requireQueue(caller, request.queue_name);
    if (request.completion_webhook != null) this.#requireUrl(request.completion_webhook);
    const job = newJob(caller, request.queue_name, {
      ...request,
      idempotency_key: request.idempotency_key ?? checkedKey(keyHeader),
      traceparent,
    });
    annotate({
      'messaging.destination.name': job.queueName,
      'messaging.message.id': job.id,
    });
    const outcome =
      request.parent_job_id == null
        ? (await this.jobs.insert([job], caller.plan))[0]!
        : await this.jobs.insertChild(job, request.parent_job_id, caller.plan);
    return { id: visibleId(caller, outcome), created: outcome.created };
  }

  /** What its name leads to is checked when it is connected to: nobody waits for a name server to put a job in. */
  #requireUrl(url: string): void {
    const problem = urlProblem(url, this.#urlRules);
    if (problem !== null) {
      throw AppError.invalid('completion_webhook', `Invalid webhook URL: ${problem}`);
    }
  }

  /**
   * Each item succeeds or fails by itself; only the envelope and the plan's quotas can fail them all.
   * @throws AppError `ACCESS_DENIED`, `QUOTA_EXCEEDED`
   */
  async bulk(
    caller: Principal,
    request: BulkRequest,
    traceparent: string | null,
  ): Promise<BulkResponse> {
    requireQueue(caller, request.queue_name);
    annotate({
      'messaging.destination.name': request.queue_name,
      'messaging.batch.message_count': request.jobs.length,
    });
    const accepted: { index: number; job: NewJob }[] = [];
    const failed: { index: number; error: string }[] = [];
    request.jobs.forEach((given, index) => {
      try {
        accepted.push({ index, job: bulkJob(caller, request, given, traceparent) });
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        failed.push({ index, error: error.message });
      }
    });
    const outcomes = await this.jobs.insert(
      accepted.map(({ job }) => job),
      caller.plan,
    );
    const succeeded: BulkResponse['succeeded'] = [];
    accepted.forEach(({ index }, position) => {
      const outcome = outcomes[position]!;
      if (canUseQueue(caller, outcome.queueName)) {
        succeeded.push({ index, job_id: outcome.jobId, created: outcome.created });
      } else failed.push({ index, error: KEY_OUT_OF_SCOPE });
    });
    return {
      succeeded,
      failed: failed.sort((a, b) => a.index - b.index),
      total: request.jobs.length,
      success_count: succeeded.length,
      failure_count: failed.length,
    };
  }
}

/** What became of a job another service put in. */
export type CommandOutcome =
  { readonly jobId: string; readonly queueName: string; readonly created: boolean } | AppError;

const KEY_OUT_OF_SCOPE = 'The idempotency key is in use.';

/** A key may not learn of jobs outside its queues, not even by guessing idempotency keys. */
function visibleId(caller: Principal, { jobId, queueName }: EnqueueOutcome): string {
  if (!canUseQueue(caller, queueName)) throw new AppError('CONFLICT', KEY_OUT_OF_SCOPE);
  return jobId;
}

function commandJob(command: EnqueueCommand, plan: PlanLimits | undefined): NewJob | AppError {
  if (plan === undefined) return new AppError('NOT_FOUND', 'The organization does not exist.');
  const { organizationId, id, queueName, scheduleId } = command;
  try {
    const fields = {
      payload: command.payload,
      priority: command.priority,
      max_retries: command.maxRetries,
      timeout_seconds: command.timeoutSeconds,
      tags: command.tags,
      idempotency_key: command.idempotencyKey,
      traceparent: readTraceparent(command.traceparent),
    };
    return { ...newJob({ organizationId, plan }, queueName, fields), id, scheduleId };
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

function checkedKey(header: string | undefined): string | null {
  if (header === undefined || header === '') return null;
  if (header.length > 255)
    throw AppError.invalid('Idempotency-Key', 'must be at most 255 characters');
  return header;
}

function bulkJob(
  caller: Principal,
  request: BulkRequest,
  given: unknown,
  traceparent: string | null,
): NewJob {
  const parsed = bulkItem.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue!.path.join('.') || 'job';
    throw AppError.invalid(field, issue!.message, issue!.code);
  }
  const item: BulkItem = parsed.data;
  return newJob(caller, request.queue_name, {
    payload: item.payload,
    priority: item.priority ?? request.default_priority ?? 0,
    max_retries: request.default_max_retries,
    timeout_seconds: request.default_timeout_seconds,
    scheduled_at: item.scheduled_at,
    idempotency_key: item.idempotency_key,
    traceparent,
  });
}

export type JobFields = Partial<EnqueueRequest> &
  Pick<EnqueueRequest, 'payload' | 'priority'> & { readonly traceparent: string | null };

/** What a payload calls itself, as far as lists can look for it. */
function jobTypeOf(payload: unknown): string | null {
  if (typeof payload !== 'object' || payload === null) return null;
  const type = (payload as { job_type?: unknown }).job_type;
  const isName = typeof type === 'string' && type.length >= 1 && type.length <= 255;
  return isName && type.isWellFormed() && !type.includes('\0') ? type : null;
}

/** A job as its producer wants it, without origin or dependencies. @throws AppError `PAYLOAD_TOO_LARGE` */
export function newJob(
  caller: Pick<Principal, 'organizationId' | 'plan'>,
  queueName: string,
  fields: JobFields,
): NewJob {
  const payload = JSON.stringify(fields.payload);
  requirePayloadFits(caller.plan, payload);
  return {
    organizationId: caller.organizationId,
    id: uuidv7(),
    queueName,
    payload,
    jobType: jobTypeOf(fields.payload),
    priority: fields.priority,
    maxRetries: fields.max_retries ?? null,
    timeoutSeconds: fields.timeout_seconds ?? null,
    tags: fields.tags == null ? null : JSON.stringify(fields.tags),
    completionWebhook: fields.completion_webhook ?? null,
    completionWebhookSecret: fields.completion_webhook_secret ?? null,
    idempotencyKey: fields.idempotency_key ?? null,
    scheduledAt: fields.scheduled_at ?? null,
    expiresAt: fields.expires_at ?? null,
    parentJobId: null,
    workflowId: null,
    scheduleId: null,
    dependencyMode: null,
    waitingOn: null,
    traceparent: fields.traceparent,
  };
}
