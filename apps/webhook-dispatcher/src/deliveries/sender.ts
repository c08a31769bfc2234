import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { OutboundError, OutboundHttp } from '@spooled/outbound';
import { Metrics } from '@spooled/telemetry';
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
    const outcome = await this.#attempt(target, message);
    stopTimer({ outcome: outcome.isSuccess ? 'success' : 'failure' });
    return outcome;
  }

  async #attempt(target: Target, message: Message): Promise<Outcome> {
    const secrets = this.#open(target);
    if (secrets === null) {
      return failure('The signing secret cannot be read any more; set it again.');
    }
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Spooled-OutgoingWebhook/1.0',
      'x-spooled-event': message.event,
      'x-spooled-delivery-attempt': String(message.attempt),
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

function failure(error: string): Outcome {
  return { isSuccess: false, statusCode: null, responseBody: null, error };
}
