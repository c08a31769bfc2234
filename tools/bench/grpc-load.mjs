// gRPC over plain HTTP/2 sessions: on two cores a full client would measure itself.
import { loadSync } from '@grpc/proto-loader';
import { PROTO_DIRECTORY, PROTO_FILES } from '@spooled/contracts';
import { once } from 'node:events';
import { connect } from 'node:http2';

const definitions = loadSync([...PROTO_FILES], {
  includeDirs: [PROTO_DIRECTORY],
  keepCase: true,
  enums: String,
});
const service = definitions['spooled.v1.QueueService'];

/** The frame of a request. */
export function encoded(method, message) {
  const bytes = service[method].requestSerialize(message);
  const frame = Buffer.allocUnsafe(5 + bytes.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(bytes.length, 1);
  frame.set(bytes, 5);
  return frame;
}

/** One connection. */
export class GrpcConnection {
  #session;
  #key;

  constructor(port, key) {
    this.#session = connect(`http://127.0.0.1:${port}`, {
      settings: { initialWindowSize: 1 << 20 },
    });
    this.#key = key;
  }

  /** A unary call with a frame made by `encoded`. Rejects unless it ends with OK. */
  call(method, frame) {
    return new Promise((resolve, reject) => {
      const stream = this.#open(method);
      let status;
      const hear = (headers) => (status ??= headers['grpc-status']);
      stream.on('response', hear);
      stream.on('trailers', hear);
      stream.on('data', () => {});
      stream.on('error', reject);
      stream.on('close', () => {
        if (status === '0') resolve();
        else reject(new Error(`${method} ended with ${status}`));
      });
      stream.end(frame);
    });
  }

  /** A server stream; hears each message, decoded. Resolves when the headers are there, to what ends it. */
  async stream(method, frame, hear) {
    const stream = this.#open(method);
    let rest = Buffer.alloc(0);
    stream.on('data', (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        hear(service[method].responseDeserialize(rest.subarray(5, end)));
        rest = rest.subarray(end);
      }
    });
    stream.on('error', () => {});
    stream.end(frame);
    await once(stream, 'response');
    return () => stream.close();
  }

  close() {
    this.#session.destroy();
  }

  #open(method) {
    return this.#session.request({
      ':method': 'POST',
      ':path': `/spooled.v1.QueueService/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-api-key': this.#key,
    });
  }
}
