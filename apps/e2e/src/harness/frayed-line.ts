/** A network between a client and a host that can be cut, go silent, or break by itself again and again. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { onCleanUp } from '@spooled/testing';

export class FrayedLine {
  /** Connections so far. */
  connectionCount = 0;
  private readonly sockets = new Set<Socket>();
  /** After how many bytes to the client the next connection breaks; Infinity = never. */
  private bytesUntilBreak: () => number = () => Infinity;
  private isDown = false;
  private isSilent = false;

  static async to(base: string): Promise<FrayedLine> {
    const line = new FrayedLine();
    const { port } = new URL(base);
    const server = createServer((client) => line.join(client, connect(Number(port), '127.0.0.1')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    line.port = (server.address() as AddressInfo).port;
    onCleanUp(() => {
      server.close();
      line.cut();
    });
    return line;
  }

  private port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Every connection breaks after a number of bytes between the two, also within a message; the same for each seed. */
  breakAfter(minBytes: number, maxBytes: number, seed: number): void {
    let state = seed;
    this.bytesUntilBreak = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return minBytes + (state % (maxBytes - minBytes));
    };
  }

  /** From now on connections hold. */
  mend(): void {
    this.bytesUntilBreak = () => Infinity;
    this.isDown = false;
    this.isSilent = false;
  }

  /** Every connection ends at once; the next ones hold. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Until `mend` nobody gets through. */
  takeDown(): void {
    this.isDown = true;
    this.cut();
  }

  /** Until `mend` nothing that the host says arrives, and connections stay open. */
  silence(): void {
    this.isSilent = true;
  }

  private join(client: Socket, host: Socket): void {
    this.connectionCount += 1;
    let bytesLeft = this.bytesUntilBreak();
    for (const [socket, other] of [
      [client, host],
      [host, client],
    ] as const) {
      this.sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    if (this.isDown) client.destroy();
    client.pipe(host);
    host.on('data', (chunk: Buffer) => {
      if (this.isSilent) return;
      if (chunk.length < bytesLeft) {
        bytesLeft -= chunk.length;
        client.write(chunk);
      } else {
        client.write(chunk.subarray(0, bytesLeft), () => client.destroy());
        bytesLeft = 0;
      }
    });
  }
}
