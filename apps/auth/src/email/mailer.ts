import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { MAIL_TRANSPORT, type Mail, type MailTransport } from './mail-transport.js';

/**
 * Sends mail behind the caller's back: an answer that waited for the mail server would tell by its time, and by its
 * failure, whether there was anything to send.
 */
@Injectable()
export class Mailer implements OnApplicationShutdown {
  readonly #sending = new Set<Promise<void>>();
  readonly #mails;

  constructor(
    @Inject(MAIL_TRANSPORT) private readonly transport: MailTransport,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#mails = metrics.counter({
      name: 'spooled_mails_total',
      help: 'Mails by what became of them: sent, failed.',
      labelNames: ['outcome'],
    });
  }

  post(mail: Mail): void {
    const sending = this.#send(mail).finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  /** After the server has closed: its last requests may still post. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.#sending);
    this.transport.close();
  }

  async #send(mail: Mail): Promise<void> {
    try {
      await this.transport.send(mail);
      this.#mails.inc({ outcome: 'sent' });
    } catch (error) {
      this.#mails.inc({ outcome: 'failed' });
      // Whoever waits for the mail asks for another; that none can be sent is for a human to see.
      this.logger.error({ err: error }, 'a mail could not be sent');
    }
  }
}
