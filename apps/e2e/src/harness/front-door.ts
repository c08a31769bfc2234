/** One address for all processes of a host, as an ingress gives one; and one that can be made to misbehave. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';

import { onCleanUp } from '@spooled/testing';

import type { Entrance, Host } from './host.js';

export interface FrontDoorOptions {
  /** Changes what streams say on their way to the client. */
  readonly tamper?: (text: string) => string;
  /** Changes what is asked for over HTTP. */
  readonly rewriteUrl?: (url: string) => string;
}

export class FrontDoor implements Entrance {
  static async open(host: Host, options: FrontDoorOptions = {}): Promise<FrontDoor> {
    const server = createServer((incoming, outgoing) => pass(host, incoming, outgoing, options));
    // As nginx keeps them: longer than clients pause.
    server.keepAliveTimeout = 75_000;
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

  base(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  url(path: string): string {
    return `${this.base()}/api/v1${path}`;
  }

  webSocketUrl(path: string): string {
    return this.url(path).replace(/^http/, 'ws');
  }
}

/** An address that passes each gRPC connection on to a process that serves what belongs to `prefix`, as a Service does. */
export async function openGrpcDoor(host: Host, prefix: string): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    const [name, port] = host.grpcAddress(prefix).split(':');
    const onward = connect(Number(port), name);
    onward.pipe(socket).pipe(onward);
    for (const [each, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(each);
      each.on('error', () => other.destroy());
      each.on('close', () => {
        sockets.delete(each);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onCleanUp(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
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
  onward.on('error', (error) => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502).end(`${method} ${url}: ${String(error)}`);
  });
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
