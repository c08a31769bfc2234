import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Connections on which nothing was asked yet: browsers and probes open them ahead of need. Node counts them as busy,
 * so that they alone would hold up a stop for half a minute.
 */
export class SilentConnections {
  readonly #sockets = new Set<Duplex>();

  constructor(server: Server) {
    server.on('connection', (socket: Duplex) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    const spoke = ({ socket }: IncomingMessage): void => void this.#sockets.delete(socket);
    server.on('request', spoke);
    server.on('upgrade', spoke);
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
