import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { OutboundError, OutboundHttp } from '@spooled/outbound';
import {
  failSpan,
  LOGGER,
  Metrics,
  spanTraceparent,
  startSpan,
  withSpan,
  type Logger,
  type Span,
} from '@spooled/telemetry';
import { WEBHOOK_DISPATCHER_CONFIG, type WebhookDispatcherConfig } from '../config.js';
import { SecretBox } from '../endpoints/secret-box.js';
import { signatureHeaders } from './signature.js';

/** Where to, and with which secrets; these are sealed for `owner`. */
export interface Target {
  readonly url: string;
  readonly owner: string;
  readonly secrets: readonly Buffer[];
}

export interface Message {
  readonly id: string;
  readonly event: string;
  readonly body: string;
  /** From 1 on. */
  readonly attempt: number;
  /** Of what it tells of; null: nothing is known of a trace. @default the active span's */
  readonly traceparent?: string | null;
}

/** What came of an attempt. */
export interface Outcome {
  readonly isSuccess: boolean;
  readonly statusCode: number | null;
  readonly responseBody: string | null;
  readonly error: string | null;
}

/** Makes one attempt: signs, posts, and judges the answer. */
@Injectable()
export class Sender implements OnApplicationShutdown {
  readonly #http: OutboundHttp;
  readonly #seconds;

  constructor(
    private readonly box: SecretBox,
    @Inject(WEBHOOK_DISPATCHER_CONFIG) config: WebhookDispatcherConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#http = new OutboundHttp({ allowsLocalHttp: !config.isProduction });
    this.#seconds = metrics.histogram({
      name: 'spooled_webhook_attempt_duration_seconds',
      help: 'Duration of requests to receivers of webhooks, by how they ended.',
      labelNames: ['outcome'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#http.close();
  }

  /** Why nothing may be sent to a URL, also by where its name leads now; `null` when nothing is wrong. */
  problemOf(url: string): Promise<string | null> {
    return this.#http.problemOf(url);
  }

  /** Never throws: whatever goes wrong is an outcome. */
  async attempt(target: Target, message: Message): Promise<Outcome> {
    const stopTimer = this.#seconds.startTimer();
    const span = begin(target, message);
    // Where nothing is recorded the trace goes on to the receiver as it came.
    const traceparent = spanTraceparent(span) ?? message.traceparent ?? null;
    const outcome = await this.#attempt(target, message, traceparent);
    const seconds = stopTimer({ outcome: outcome.isSuccess ? 'success' : 'failure' });
    if (span !== undefined) end(span, outcome);
    withSpan(span, () =>
      this.logger.debug(
        {
          delivery_id: message.id,
          event: message.event,
          attempt: message.attempt,
          success: outcome.isSuccess,
          status: outcome.statusCode,
          duration_ms: Math.round(seconds * 1000),
        },
        'webhook attempt',
      ),
    );
    return outcome;
  }

  async #attempt(target: Target, message: Message, traceparent: string | null): Promise<Outcome> {
    const secrets = this.#open(target);
    if (secrets === null) {
      return failure('The signing secret cannot be read any more; set it again.');
    }
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Spooled-OutgoingWebhook/1.0',
      'x-spooled-event': message.event,
      'x-spooled-delivery-attempt': String(message.attempt),
      ...(traceparent === null ? {} : { traceparent }),
      ...signatureHeaders({ ...message, timestamp: Math.floor(Date.now() / 1000) }, secrets),
    };
    try {
      const { url } = target;
      const { status, body } = await this.#http.post({ url, headers, body: message.body });
      const isSuccess = status >= 200 && status < 300;
      return {
        isSuccess,
        statusCode: status,
        responseBody: body,
        error: isSuccess ? null : `The receiver answered ${status}.`,
      };
    } catch (error) {
      return failure(error instanceof OutboundError ? error.message : 'the request failed');
    }
  }

  #open({ owner, secrets }: Target): string[] | null {
    try {
      return secrets.map((secret) => this.box.open(owner, secret));
    } catch {
      return null;
    }
  }
}

/** The host alone: the rest of a receiver's URL is often its secret. */
function begin({ url }: Target, { id, event, attempt, traceparent }: Message): Span | undefined {
  return startSpan('webhook attempt', {
    kind: 'client',
    parent: traceparent,
    attributes: {
      'http.request.method': 'POST',
      'server.address': URL.canParse(url) ? new URL(url).hostname : '',
      'spooled.delivery.id': id,
      'spooled.webhook.event': event,
      'spooled.delivery.attempt': attempt,
    },
  });
}

function end(span: Span, { isSuccess, statusCode }: Outcome): void {
  if (statusCode !== null) span.setAttribute('http.response.status_code', statusCode);
  if (!isSuccess) failSpan(span, { code: statusCode ?? 'no answer' });
  span.end();
}

function failure(error: string): Outcome {
  return { isSuccess: false, statusCode: null, responseBody: null, error };
}
