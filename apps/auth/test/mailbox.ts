import { eventually } from '@spooled/testing';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  readonly to: string;
  readonly from: string;
  /** As it came over the wire. */
  readonly raw: string;
}

/** A mail server that keeps what it is given, and takes only who logs in. */
export class Mailbox {
  readonly mails: ReceivedMail[] = [];
  readonly #server: SMTPServer;
  /** Addresses whose mail is refused. */
  readonly refused = new Set<string>();

  private constructor() {
    this.#server = new SMTPServer({
      // The client would otherwise have to trust a certificate of the test.
      hideSTARTTLS: true,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) => {
        if (username === 'spooled' && password === 'pass word') done(null, { user: username });
        else done(new Error('who are you?'));
      },
      onData: (stream, session, done) => {
        let raw = '';
        stream.on('data', (chunk: Buffer) => (raw += chunk.toString()));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          if (rcptTo.some(({ address }) => this.refused.has(address))) {
            return done(new Error('mailbox full'));
          }
          const from = mailFrom === false ? '' : mailFrom.address;
          this.mails.push({ raw, from, to: rcptTo.map(({ address }) => address).join() });
          done();
        });
      },
    });
  }

  static async open(): Promise<Mailbox> {
    const mailbox = new Mailbox();
    await new Promise<void>((resolve) => mailbox.#server.listen(0, '127.0.0.1', resolve));
    return mailbox;
  }

  get url(): string {
    const { port } = this.#server.server.address() as AddressInfo;
    return `smtp://spooled:pass%20word@127.0.0.1:${port}`;
  }

  /** The code of the `count`th mail to an address. */
  async codeFor(address: string, count = 1): Promise<string> {
    return eventually(() => {
      const mail = this.mails.filter(({ to }) => to === address)[count - 1];
      return /Your code is (\d{6})\./.exec(mail?.raw ?? '')?.[1] ?? '';
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(resolve));
  }
}
