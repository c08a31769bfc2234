import { Injectable } from '@nestjs/common';
import {
  AppError,
  bulkItem,
  canUseQueue,
  type BulkItem,
  type BulkRequest,
  type BulkResponse,
  type EnqueueRequest,
  type Principal,
} from '@spooled/contracts';
import { v7 as uuidv7 } from 'uuid';
import { checkWebhookUrl } from './domain/webhook-url.js';
import { EnqueueRepository, type EnqueueOutcome, type NewJob } from './store/enqueue.repository.js';

/** Use cases of the producer: put jobs in. */
@Injectable()
export class EnqueueService {
  constructor(private readonly jobs: EnqueueRepository) {}

  /** @throws AppError `ACCESS_DENIED`, `PAYLOAD_TOO_LARGE`, `VALIDATION_ERROR`, `CONFLICT` */
  async enqueue(
    caller: Principal,
    request: EnqueueRequest,
    keyHeader: string | undefined,
  ): Promise<{ id: string; created: boolean }> {
    requireQueue(caller, request.queue_name);
    if (request.completion_webhook != null) checkWebhookUrl(request.completion_webhook);
    const job = newJob(caller, request.queue_name, {
      ...request,
      idempotency_key: request.idempotency_key ?? checkedKey(keyHeader),
    });
    const outcome =
      request.parent_job_id == null
        ? (await this.jobs.insert([job]))[0]!
        : await this.jobs.insertChild(job, request.parent_job_id);
    return { id: visibleId(caller, outcome), created: outcome.created };
  }

  /** Each item succeeds or fails by itself; only the envelope can fail them all. @throws AppError `ACCESS_DENIED` */
  async bulk(caller: Principal, request: BulkRequest): Promise<BulkResponse> {
    requireQueue(caller, request.queue_name);
    const accepted: { index: number; job: NewJob }[] = [];
    const failed: { index: number; error: string }[] = [];
    request.jobs.forEach((given, index) => {
      try {
        accepted.push({ index, job: bulkJob(caller, request, given) });
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        failed.push({ index, error: error.message });
      }
    });
    const outcomes = await this.jobs.insert(accepted.map(({ job }) => job));
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

const KEY_OUT_OF_SCOPE = 'The idempotency key is in use.';

function requireQueue(caller: Principal, queueName: string): void {
  if (!canUseQueue(caller, queueName)) {
    throw new AppError('ACCESS_DENIED', `This key may not use the queue ${queueName}.`);
  }
}

/** A key may not learn of jobs outside its queues, not even by guessing idempotency keys. */
function visibleId(caller: Principal, { jobId, queueName }: EnqueueOutcome): string {
  if (!canUseQueue(caller, queueName)) throw new AppError('CONFLICT', KEY_OUT_OF_SCOPE);
  return jobId;
}

function checkedKey(header: string | undefined): string | null {
  if (header === undefined || header === '') return null;
  if (header.length > 255)
    throw AppError.invalid('Idempotency-Key', 'must be at most 255 characters');
  return header;
}

function bulkJob(caller: Principal, request: BulkRequest, given: unknown): NewJob {
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
  });
}

type JobFields = Partial<EnqueueRequest> & Pick<EnqueueRequest, 'payload' | 'priority'>;

function newJob(caller: Principal, queueName: string, fields: JobFields): NewJob {
  const payload = JSON.stringify(fields.payload);
  refuseLargePayload(caller, payload);
  return {
    organizationId: caller.organizationId,
    id: uuidv7(),
    queueName,
    payload,
    priority: fields.priority,
    maxRetries: fields.max_retries ?? null,
    timeoutSeconds: fields.timeout_seconds ?? null,
    tags: fields.tags == null ? null : JSON.stringify(fields.tags),
    completionWebhook: fields.completion_webhook ?? null,
    completionWebhookSecret: fields.completion_webhook_secret ?? null,
    idempotencyKey: fields.idempotency_key ?? null,
    scheduledAt: fields.scheduled_at ?? null,
    expiresAt: fields.expires_at ?? null,
    waitsFor: null,
  };
}

/** @throws AppError `PAYLOAD_TOO_LARGE` with the plan's limit */
export function refuseLargePayload({ plan }: Principal, payload: string): void {
  const bytes = Buffer.byteLength(payload);
  const { max_payload_size_bytes: limit, tier } = plan;
  if (bytes <= limit) return;
  throw new AppError('PAYLOAD_TOO_LARGE', `Payload is ${bytes} bytes; the plan allows ${limit}.`, {
    extra: {
      error: 'payload_too_large',
      current: bytes,
      limit,
      plan: tier,
      upgrade_to: tier !== 'enterprise',
    },
  });
}
