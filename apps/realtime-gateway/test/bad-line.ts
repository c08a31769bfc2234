import { onCleanUp } from '@spooled/testing';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A line between a client and a server that can be cut after so many bytes of the server's, wherever in a head, a frame or
 * an event that is, or keep back what the server says.
 */
export class BadLine {
  readonly #server: Server;
  #next = Infinity;
  /** Bytes that the server sent on the newest connection. */
  bytes = 0;
  readonly #servers = new Set<Socket>();
  #isMuted = false;

  private constructor(target: number) {
    this.#server = createServer((client) => this.#serve(client, target));
  }

  static async start(target: number): Promise<BadLine> {
    const line = new BadLine(target);
    await new Promise<void>((resolve) => line.#server.listen(0, '127.0.0.1', resolve));
    onCleanUp(() => {
      line.#server.close();
    });
    return line;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The connection that says something next is cut after so many bytes. */
  cutNextAfter(bytes: number): void {
    this.#next = bytes;
  }

  /** The server is not heard, for now: nobody is told, and what it says comes late. */
  mute(): void {
    this.#isMuted = true;
    for (const server of this.#servers) server.pause();
  }

  unmute(): void {
    this.#isMuted = false;
    for (const server of this.#servers) server.resume();
  }

  #serve(client: Socket, target: number): void {
    let left = Infinity;
    const server = connect(target, '127.0.0.1');
    this.#servers.add(server);
    const cut = (): void => {
      this.#servers.delete(server);
      server.destroy();
      // What was passed on arrives; a reset could take it back.
      client.end();
    };
    for (const socket of [client, server]) {
      socket.on('error', cut);
      socket.on('close', cut);
    }
    // Not before that: clients open connections ahead of their requests.
    client.once('data', () => {
      left = this.#next;
      this.#next = Infinity;
      this.bytes = 0;
    });
    client.on('data', (bytes) => server.write(bytes));
    server.on('data', (bytes: Buffer) => {
      if (left <= 0) return;
      client.write(bytes.subarray(0, left));
      this.bytes += bytes.length;
      left -= bytes.length;
      if (left <= 0) cut();
    });
    if (this.#isMuted) server.pause();
  }
}
