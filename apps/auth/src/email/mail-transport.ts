import type { Logger } from '@spooled/telemetry';
import { createTransport } from 'nodemailer';
import type { AuthConfig } from '../config.js';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** What carries mail away. */
export interface MailTransport {
  send(mail: Mail): Promise<void>;
  close(): void;
}

/** Injection token of `MailTransport`. */
export const MAIL_TRANSPORT = Symbol('MAIL_TRANSPORT');

const CONNECT_MS = 10_000;
const SILENCE_MS = 20_000;

export function mailTransport(config: AuthConfig, logger: Logger): MailTransport {
  return config.EMAIL_PROVIDER === 'smtp' ? smtp(config) : logOnly(logger);
}

function smtp({ SMTP_URL, EMAIL_FROM: from }: AuthConfig): MailTransport {
  const transport = createTransport({
    url: SMTP_URL!.reveal(),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    // As an object, the address is taken as it is: a text would be read as a list.
    send: async ({ to: address, ...mail }) => {
      await transport.sendMail({ from, to: { name: '', address }, ...mail });
    },
    close: () => transport.close(),
  };
}

/** For a machine without mail: the log is where its user looks. */
function logOnly(logger: Logger): MailTransport {
  return {
    send: async (mail) => logger.warn({ mail }, 'mail is only logged: EMAIL_PROVIDER is console'),
    close: () => undefined,
  };
}
