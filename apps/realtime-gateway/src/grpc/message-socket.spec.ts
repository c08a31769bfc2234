import { eventsGrpc } from '@spooled/contracts';
import { encoderOf } from '@spooled/grpc';
import { eventually } from '@spooled/testing';
import { created } from '../../test/fixtures.js';
import { Message } from '../fanout/message.js';
import { grpcTransport } from './grpc-transport.js';
import { MessageSocket, type MessageSink } from './message-socket.js';

const encode = encoderOf(eventsGrpc.subscribeEvents);
const transport = grpcTransport(encode);

/** A call whose client takes messages when it is told to. */
class Call implements MessageSink {
  readonly taken: Buffer[] = [];
  pending = 0;
  #resolve: (() => void)[] = [];

  write(message: Buffer): void {
    this.taken.push(message);
    this.pending += 1;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#resolve.push(resolve));
  }

  drain(): void {
    this.pending = 0;
    for (const resolve of this.#resolve.splice(0)) resolve();
  }
}

const messages = (count: number): Message[] =>
  Array.from(
    { length: count },
    (_, index) => new Message(created('j'.repeat(100)), { seq: index, cursor: `e-${index}` }),
  );
const bytesOf = (all: readonly Message[]): Buffer =>
  transport.join(all.map((message) => transport.frame(message)));

describe('a socket of messages', () => {
  it('passes each message of a write on by itself, unchanged', () => {
    const call = new Call();
    const socket = new MessageSocket(call);
    const all = messages(5);
    socket.write(bytesOf(all));
    expect(call.taken).toEqual(
      all.map(({ cursor, name, event: { type, data } }) =>
        encode({ id: cursor, type, name, timestamp: new Date(data.timestamp), data: { ...data } }),
      ),
    );
    expect(socket.messagesWritten).toBe(5);
    expect(socket.writableLength).toBe(0);
  });

  it('keeps what the client does not take, shows it as its own length, and goes on in order', async () => {
    const call = new Call();
    const socket = new MessageSocket(call);
    const all = messages(1000);
    const bytes = bytesOf(all);
    socket.write(bytes);
    const handed = call.taken.length;
    expect(handed).toBeLessThan(all.length);
    expect(Buffer.concat(call.taken).length).toBeLessThan(66_000);
    expect(socket.writableLength).toBe(bytes.length);
    expect(socket.writableNeedDrain).toBe(true);
    call.drain();
    await eventually(() => expect(call.taken.length).toBeGreaterThan(handed));
    await eventually(() => {
      call.drain();
      expect(socket.writableLength).toBe(0);
    });
    const whole = Buffer.concat(all.map((message) => transport.frame(message).subarray(5)));
    expect(Buffer.concat(call.taken).equals(whole)).toBe(true);
    expect(socket.writableNeedDrain).toBe(false);
  });

  it('passes nothing on once it is destroyed', async () => {
    const call = new Call();
    const socket = new MessageSocket(call);
    socket.write(bytesOf(messages(1000)));
    const handed = call.taken.length;
    socket.destroy();
    call.drain();
    await new Promise((resolve) => setImmediate(resolve));
    expect(call.taken).toHaveLength(handed);
  });
});
