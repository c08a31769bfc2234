import { eventually } from '@spooled/testing';
import { randomBytes } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { created } from './fixtures.js';
import { grpcPort, liveGrpc } from './grpc-client.js';
import { jobsOf, TestGateway, type Caller } from './setup.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ REALTIME_MAX_BUFFER_BYTES: '65536' });
});

afterAll(async () => {
  await gateway.stop();
});

/** A client that writes its own frames. */
class RawWebSocket {
  head = '';
  /** What came after the head. */
  received = Buffer.alloc(0);
  isClosed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (bytes) => this.#hear(bytes));
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', () => undefined);
  }

  static async open(
    { credential }: Caller,
    headers: readonly string[] = [],
  ): Promise<RawWebSocket> {
    const raw = new RawWebSocket(connect(gateway.port, '127.0.0.1'));
    raw.socket.write(
      [
        `GET /api/v1/ws?token=${credential}&events=job.created HTTP/1.1`,
        'Host: x',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
        '\r\n',
      ].join('\r\n'),
    );
    await eventually(() => raw.head !== '');
    return raw;
  }

  /** Source: RFC 6455 §5.2 */
  frame(opcode: number, content: Buffer | string, { isLast = true, isMasked = true } = {}): void {
    const payload = Buffer.from(content);
    const mask = isMasked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0);
    const length = Buffer.alloc(payload.length < 126 ? 1 : payload.length < 65_536 ? 3 : 9);
    if (length.length === 1) length[0] = payload.length;
    else if (length.length === 3) length.writeUInt16BE(payload.length, 1);
    else length.writeBigUInt64BE(BigInt(payload.length), 1);
    if (length.length > 1) length[0] = length.length === 3 ? 126 : 127;
    length[0]! |= isMasked ? 0x80 : 0;
    const first = Buffer.from([(isLast ? 0x80 : 0) | opcode]);
    if (isMasked) payload.forEach((byte, index) => (payload[index] = byte ^ mask[index % 4]!));
    this.socket.write(Buffer.concat([first, length, mask, payload]));
  }

  /** Of the close frame, which is the last one. */
  async closeCode(): Promise<number> {
    await eventually(() => {
      expect(this.isClosed).toBe(true);
    });
    const at = this.received.lastIndexOf(0x88);
    return this.received.readUInt16BE(at + 2);
  }

  get text(): string {
    return this.received.toString();
  }

  #hear(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    const end = this.received.indexOf('\r\n\r\n');
    if (this.head !== '' || end === -1) return;
    this.head = this.received.subarray(0, end).toString();
    this.received = this.received.subarray(end + 4);
  }
}

const TEXT = 1;
const CONTINUATION = 0;
const command = JSON.stringify({ cmd: 'Subscribe', queue: 'emails', request_id: 'r-1' });

describe('a WebSocket', () => {
  it('takes a command in fragments, with a ping in between', async () => {
    const raw = await RawWebSocket.open(gateway.caller());
    raw.frame(TEXT, command.slice(0, 5), { isLast: false });
    raw.frame(CONTINUATION, command.slice(5, 20), { isLast: false });
    raw.frame(9, 'are you there');
    raw.frame(CONTINUATION, command.slice(20));
    await eventually(() => expect(raw.text).toContain('"request_id":"r-1"'));
    expect(raw.text).toContain('are you there');
    raw.socket.destroy();
  });

  it.each<[string, number, (raw: RawWebSocket) => void]>([
    ['a message of 64 KiB and a byte', 1009, (raw) => raw.frame(TEXT, Buffer.alloc(65_537, 'x'))],
    [
      'fragments that are too much together',
      1009,
      (raw) => {
        raw.frame(TEXT, Buffer.alloc(40_000, 'x'), { isLast: false });
        raw.frame(CONTINUATION, Buffer.alloc(40_000, 'x'));
      },
    ],
    ['bad UTF-8', 1007, (raw) => raw.frame(TEXT, Buffer.from([0x22, 0xc3, 0x28, 0x22]))],
    ['a frame without a mask', 1002, (raw) => raw.frame(TEXT, command, { isMasked: false })],
    ['an opcode that is none', 1002, (raw) => raw.frame(5, command)],
    ['the middle of a message only', 1002, (raw) => raw.frame(CONTINUATION, command)],
  ])('is closed for %s with %i, and nobody else notices', async (_name, code, misbehave) => {
    const caller = gateway.caller();
    const other = await gateway.live(caller);
    const raw = await RawWebSocket.open(caller);
    misbehave(raw);
    expect(await raw.closeCode()).toBe(code);
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(jobsOf(other)).toEqual(['j1']));
  });

  it('takes exactly 64 KiB', async () => {
    const raw = await RawWebSocket.open(gateway.caller());
    raw.frame(TEXT, `${command.slice(0, -1)}${' '.repeat(65_536 - command.length)}}`);
    await eventually(() => expect(raw.text).toContain('"request_id":"r-1"'));
    raw.socket.destroy();
  });

  it('accepts no offer to compress, and serves without', async () => {
    const caller = gateway.caller();
    const offer =
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-nonsense';
    const raw = await RawWebSocket.open(caller, [offer]);
    expect(raw.head).toMatch(/^HTTP\/1.1 101 /);
    expect(raw.head).not.toMatch(/extensions/i);
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(raw.text).toContain('"job_id":"j1"'));
    raw.socket.destroy();
  });
});

describe('the gRPC port', () => {
  it('survives bytes that are no HTTP/2, and requests that are no messages', async () => {
    const caller = gateway.caller();
    const watcher = await liveGrpc(gateway, caller);
    for (let index = 0; index < 20; index += 1) {
      const socket = connect(grpcPort(gateway), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.resume();
      socket.write(randomBytes(2000));
      await new Promise((resolve) => socket.once('close', resolve));
    }
    const session = connectHttp2(`http://127.0.0.1:${grpcPort(gateway)}`);
    for (let index = 0; index < 20; index += 1) {
      const content = randomBytes(50);
      const header = Buffer.from([0, 0, 0, 0, content.length]);
      expect(await grpcStatus(session, caller, Buffer.concat([header, content]))).toMatch(/^\d+$/);
    }
    session.close();
    await gateway.append(caller, created('j1'));
    await eventually(() =>
      expect(watcher.stored.map(({ data }) => data['job_id'])).toEqual(['j1']),
    );
  });

  it('survives streams that are reset as soon as they are opened', async () => {
    const caller = gateway.caller();
    const watcher = await liveGrpc(gateway, caller);
    const open = (): Promise<number> =>
      gateway.metric('spooled_realtime_connections{transport="grpc"}');
    const before = await open();
    const session = connectHttp2(`http://127.0.0.1:${grpcPort(gateway)}`);
    session.on('error', () => undefined);
    for (let index = 0; index < 100; index += 1) {
      const stream = session.request(headersOf(caller));
      stream.on('error', () => undefined);
      stream.end(Buffer.alloc(5));
      if (index % 2 === 0) stream.once('response', () => stream.close(8));
      else stream.close(8);
    }
    await gateway.append(caller, created('j1'));
    await eventually(() => expect(watcher.stored).toHaveLength(1));
    session.destroy();
    await eventually(async () => expect(await open()).toBe(before));
  });
});

function headersOf({ credential }: Caller) {
  return {
    ':method': 'POST',
    ':path': '/spooled.v1.EventService/SubscribeEvents',
    'content-type': 'application/grpc',
    te: 'trailers',
    'x-api-key': credential,
  };
}

/** The status with which a call ends, or 0 while it is a stream that goes on. */
function grpcStatus(
  session: ReturnType<typeof connectHttp2>,
  caller: Caller,
  body: Buffer,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headersOf(caller));
    stream.on('error', reject);
    stream.on('response', (headers) => {
      const status = headers['grpc-status'];
      resolve(typeof status === 'string' ? status : '0');
      stream.close();
    });
    stream.end(body);
  });
}

describe('a client that reads a byte a second', () => {
  it('is cut, over SSE, and nobody else is slowed', async () => {
    const caller = gateway.caller();
    const healthy = await gateway.live(caller);
    const socket = connect(gateway.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${caller.credential}\r\n\r\n`,
    );
    const open = (): Promise<number> =>
      gateway.metric('spooled_realtime_connections{transport="sse"}');
    await eventually(async () => expect(await open()).toBeGreaterThan(0));
    socket.pause();
    const sip = setInterval(() => socket.read(1), 1000);
    let events = 0;
    const slow = 'spooled_realtime_slow_consumers_total';
    // The healthy one never has more outstanding than it may, however long it takes to read that.
    while ((await gateway.metric(slow)) === 0 && events < 40_000) {
      const batch = Array.from({ length: 50 }, (_, n) =>
        created(`j-${events + n}-${'x'.repeat(500)}`),
      );
      await gateway.append(caller, ...batch);
      events += batch.length;
      await eventually(() => expect(jobsOf(healthy)).toHaveLength(events));
    }
    clearInterval(sip);
    socket.destroy();
    expect(await gateway.metric(slow)).toBe(1);
    expect(jobsOf(healthy)).toHaveLength(events);
  });
});
