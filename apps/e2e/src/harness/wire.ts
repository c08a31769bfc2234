/** A connection that can be cut, between a client and a server that notice nothing else of it. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { onCleanUp } from '@spooled/testing';

export class Wire {
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #port = 0;

  static async open(serverPort: number): Promise<Wire> {
    const wire = new Wire();
    const server = createServer((socket) => wire.#join(socket, serverPort));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onCleanUp(() => {
      server.close();
      wire.cut();
    });
    wire.#port = (server.address() as AddressInfo).port;
    return wire;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Nothing gets through until it is mended. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  #join(client: Socket, serverPort: number): void {
    if (this.#isCut) return void client.destroy();
    const server = connect(serverPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
