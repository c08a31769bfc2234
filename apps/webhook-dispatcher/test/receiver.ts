import { onCleanUp } from '@spooled/testing';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: {
    readonly id: string;
    readonly event: string;
    readonly created_at: string;
    readonly data: Record<string, unknown>;
  };
  readonly at: number;
}

type Answer = (response: ServerResponse, received: Received) => void;

/** Somebody's server that webhooks are sent to. */
export class Receiver {
  readonly received: Received[] = [];
  /** Requests that are not answered yet, and the most there were. */
  open = 0;
  mostOpen = 0;
  /** How the next requests are answered. */
  answer: Answer = (response) => response.end();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server);
    server.on('request', (request, response) => {
      receiver.open += 1;
      receiver.mostOpen = Math.max(receiver.mostOpen, receiver.open);
      response.on('close', () => (receiver.open -= 1));
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const received = {
          path: request.url!,
          headers: request.headers,
          text,
          body: JSON.parse(text) as Received['body'],
          at: Date.now(),
        };
        receiver.received.push(received);
        receiver.answer(response, received);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanUp(() => receiver.stop());
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  /** Answers with a status each, then 200 for ever. */
  script(...statuses: readonly number[]): void {
    const left = [...statuses];
    this.answer = (response) => response.writeHead(left.shift() ?? 200).end();
  }

  /** Requests of an event, by the ids in their bodies. */
  ids(): string[] {
    return this.received.map(({ body }) => body.id);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
