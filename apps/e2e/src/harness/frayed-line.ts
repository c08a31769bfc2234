/** A network between a client and a host that can be cut, go silent, lead elsewhere, or break by itself again and again. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { onCleanUp } from '@spooled/testing';

export class FrayedLine {
  /** Connections so far. */
  connectionCount = 0;
  /** Of clients, and their other ends at the host. */
  private readonly sockets = new Map<Socket, Socket>();
  private readonly stranded = new WeakSet<Socket>();
  /** After how many bytes to the client the next connection breaks; Infinity = never. */
  private bytesUntilBreak: () => number = () => Infinity;
  private isDown = false;
  private isSilent = false;

  static async to(base: string): Promise<FrayedLine> {
    const line = new FrayedLine();
    line.leadTo(base);
    const server = createServer((client) => line.join(client, connect(line.target, '127.0.0.1')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    line.port = (server.address() as AddressInfo).port;
    onCleanUp(() => {
      server.close();
      line.cut();
    });
    return line;
  }

  port = 0;
  private target = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** From now on connections lead to another host on this machine. */
  leadTo(base: string): void {
    this.target = Number(new URL(base).port);
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
    for (const client of this.sockets.keys()) client.destroy();
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

  /** The machine at the other end vanishes: every connection there is stays open and hears nothing any more. */
  strand(): void {
    for (const [client, host] of this.sockets) {
      this.stranded.add(client);
      host.destroy();
    }
  }

  private join(client: Socket, host: Socket): void {
    this.connectionCount += 1;
    let bytesLeft = this.bytesUntilBreak();
    this.sockets.set(client, host);
    for (const socket of [client, host]) socket.on('error', () => socket.destroy());
    client.on('close', () => {
      this.sockets.delete(client);
      host.destroy();
    });
    host.on('close', () => {
      if (!this.stranded.has(client)) client.destroy();
    });
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
