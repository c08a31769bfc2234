/** One address for all processes of a host, as an ingress gives one; and one that can be made to misbehave. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

import { onCleanUp } from '@spooled/testing';

import type { Host } from './host.js';

export interface FrontDoorOptions {
  /** Changes what streams say on their way to the client. */
  readonly tamper?: (text: string) => string;
  /** Changes what is asked for over HTTP. */
  readonly rewriteUrl?: (url: string) => string;
}

export class FrontDoor {
  static async open(host: Host, options: FrontDoorOptions = {}): Promise<FrontDoor> {
    const server = createServer((incoming, outgoing) => pass(host, incoming, outgoing, options));
    server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) =>
      upgrade(host, incoming, socket, head),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onCleanUp(() => {
      server.close();
      server.closeAllConnections();
    });
    return new FrontDoor((server.address() as AddressInfo).port);
  }

  private constructor(private readonly port: number) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
}

/** The process that serves what is asked for. */
function target(host: Host, url: string): URL {
  const [path = ''] = url.replace(/^\/api\/v1/, '').split('?');
  return new URL(url, host.base(path));
}

function pass(
  host: Host,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { tamper, rewriteUrl = (url) => url }: FrontDoorOptions,
): void {
  const { method, headers, url = '' } = incoming;
  const onward = request(target(host, rewriteUrl(url)), { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    const isStream = answer.headers['content-type']?.startsWith('text/event-stream');
    if (!isStream || tamper === undefined) return void answer.pipe(outgoing);
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => outgoing.write(tamper(text)));
    answer.on('close', () => outgoing.end());
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

function upgrade(host: Host, incoming: IncomingMessage, socket: Socket, head: Buffer): void {
  const { method, url = '', rawHeaders } = incoming;
  const onward = connect(Number(target(host, url).port), '127.0.0.1');
  const lines = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? `${name}: ${rawHeaders[index + 1] ?? ''}` : [],
  );
  onward.write([`${method} ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
  onward.write(head);
  onward.pipe(socket).pipe(onward);
  onward.on('error', () => socket.destroy());
  socket.on('error', () => onward.destroy());
}
