import { Inject, Injectable } from '@nestjs/common';
import {
  AppError,
  authRpc,
  customWebhookRequest,
  isUuid,
  jobsRpc,
  requirePayloadFits,
  type EnqueueCommand,
  type IngestedJob,
  type PlanLimits,
} from '@spooled/contracts';
import { parsePart, readJson } from '@spooled/http';
import { Bus } from '@spooled/nats';
import { continuedTraceparent } from '@spooled/telemetry';
import type { IncomingHttpHeaders } from 'node:http';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { WEBHOOK_DISPATCHER_CONFIG, type WebhookDispatcherConfig } from '../config.js';
import { queueOf } from './domain/queue-of.js';
import { isSignedByGithub, isSignedByStripe, isToken } from './signatures.js';

/** A webhook as it came in. */
export interface Incoming {
  readonly organizationId: string;
  readonly headers: IncomingHttpHeaders;
  /** The body, byte by byte as it was signed. */
  readonly text: string;
}

/** What an organization checks webhooks with. */
interface Host {
  readonly plan: PlanLimits;
  readonly webhookToken: string | null;
  readonly githubSecret: string | null;
  readonly stripeSecret: string | null;
}

type NewJob = Pick<EnqueueCommand, 'queueName' | 'payload' | 'idempotencyKey'> &
  Partial<Pick<EnqueueCommand, 'priority' | 'tags'>>;

const githubHeaders = z.object({
  'x-github-event': z.string().min(1).max(100),
  'x-github-delivery': z.string().min(1).max(200).optional(),
});
const githubBody = z.record(z.string(), z.unknown());
const stripeEvent = z.object({
  id: z.string().min(1).max(200),
  type: z.string().min(1).max(200),
  data: z.object({ object: z.record(z.string(), z.unknown()) }),
});

/** Webhooks that come in become jobs: checked against the organization's own secrets, one job for each delivery. */
@Injectable()
export class IngestionService {
  constructor(
    private readonly bus: Bus,
    @Inject(WEBHOOK_DISPATCHER_CONFIG) private readonly config: WebhookDispatcherConfig,
  ) {}

  /** @throws AppError `UNAUTHORIZED`, `NOT_FOUND`, `VALIDATION_ERROR`, `INVALID_JSON`, and what job-api refuses with */
  async custom({ organizationId, headers, text }: Incoming): Promise<IngestedJob> {
    const host = await this.#host(organizationId, headers);
    if (!isToken(headers['x-webhook-token'], host.webhookToken)) throw unauthorized();
    const body = parsePart(customWebhookRequest, readJson(text));
    return this.#enqueue(organizationId, host, headers, {
      queueName: body.queue_name,
      payload: body.payload,
      priority: body.priority ?? 0,
      tags: body.event_type == null ? null : { event_type: body.event_type },
      idempotencyKey: body.idempotency_key ?? null,
    });
  }

  /** @throws AppError as `custom` */
  async github({ organizationId, headers, text }: Incoming): Promise<IngestedJob> {
    const host = await this.#host(organizationId, headers);
    requireGivenToken(headers, host);
    const isSigned = await isSignedByGithub(
      text,
      headers['x-hub-signature-256'],
      host.githubSecret,
    );
    if (!isSigned) throw unauthorized();
    const { 'x-github-event': event, 'x-github-delivery': delivery } = parsePart(
      githubHeaders,
      headers,
    );
    return this.#enqueue(organizationId, host, headers, {
      queueName: queueOf('github', event),
      payload: parsePart(githubBody, readJson(text)),
      tags: { _github_event: event },
      idempotencyKey: delivery === undefined ? null : `github:${delivery}`,
    });
  }

  /** @throws AppError as `custom` */
  async stripe({ organizationId, headers, text }: Incoming): Promise<IngestedJob> {
    const host = await this.#host(organizationId, headers);
    requireGivenToken(headers, host);
    if (!isSignedByStripe(text, headers['stripe-signature'], host.stripeSecret)) {
      throw unauthorized();
    }
    const { id, type, data } = parsePart(stripeEvent, readJson(text));
    return this.#enqueue(organizationId, host, headers, {
      queueName: queueOf('stripe', type),
      payload: data.object,
      idempotencyKey: `stripe:${id}`,
    });
  }

  /** Asked for each webhook: a secret that was changed must not be good a moment longer. */
  async #host(organizationId: string, headers: IncomingHttpHeaders): Promise<Host> {
    this.#requireHttps(headers);
    const { organization } = isUuid(organizationId)
      ? await this.bus.request(authRpc.ingestion, { organizationId })
      : { organization: null };
    if (organization === null) throw new AppError('NOT_FOUND', 'There is no such organization.');
    return organization;
  }

  /** A token that came in the open is not secret any more. Without the header nobody knows, and a proxy may not say. */
  #requireHttps(headers: IncomingHttpHeaders): void {
    const scheme = headers['x-forwarded-proto'];
    if (!this.config.isProduction || scheme === undefined) return;
    const [first] = String(scheme).split(',');
    if (first!.trim().toLowerCase() === 'https') return;
    throw new AppError('BAD_REQUEST', 'Webhooks are taken over https only.');
  }

  async #enqueue(
    organizationId: string,
    { plan }: Host,
    headers: IncomingHttpHeaders,
    job: NewJob,
  ): Promise<IngestedJob> {
    requirePayloadFits(plan, JSON.stringify(job.payload));
    const traceparent = continuedTraceparent(headers['traceparent']);
    const { outcomes } = await this.bus.request(jobsRpc.enqueue, {
      jobs: [{ organizationId, id: uuidv7(), traceparent, ...job }],
    });
    const outcome = outcomes[0]!;
    if ('failure' in outcome) {
      const { code, message, extra, retryAfterSecs } = outcome.failure;
      throw new AppError(code, message, { extra, retryAfterSecs });
    }
    const { jobId, queueName, created } = outcome;
    const status = created ? 'pending' : await this.#statusOf(organizationId, jobId);
    return { job_id: jobId, queue_name: queueName, status, created };
  }

  /** Of a job that an earlier delivery made. */
  async #statusOf(organizationId: string, jobId: string): Promise<IngestedJob['status']> {
    const { jobs } = await this.bus.request(jobsRpc.statuses, { organizationId, jobIds: [jobId] });
    return jobs[0]?.status ?? 'completed';
  }
}

/** Some clients send the token with signed webhooks as well. */
function requireGivenToken(headers: IncomingHttpHeaders, { webhookToken }: Host): void {
  const given = headers['x-webhook-token'];
  if (given !== undefined && !isToken(given, webhookToken)) throw unauthorized();
}

/** The same for what is missing, wrong, or not configured. */
function unauthorized(): AppError {
  return new AppError('UNAUTHORIZED', 'The token or signature of the webhook is not valid.');
}
