import type { GrpcEvent, RealtimeEvent } from '@spooled/contracts';
import type { Message } from '../fanout/message.js';
import type { Transport } from '../fanout/transport.js';

/** A byte that says "not compressed", and the length. Source: gRPC over HTTP2, Length-Prefixed-Message */
const HEADER_BYTES = 5;

/**
 * Messages of `spooled.v1.Event` as HTTP/2 carries them: one encoding serves every subscriber. `encode` makes the bytes of
 * one message.
 */
export function grpcTransport(encode: (event: GrpcEvent) => Buffer): Transport {
  return {
    name: 'grpc',
    key: 'grpc',
    format: 3,
    frame: (message) => {
      const bytes = encoded(message, encode);
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt32BE(bytes.length, 1);
      return Buffer.concat([header, bytes]);
    },
    join: (frames) => (frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames)),
  };
}

/** The message without its header that begins at `offset` of joined frames, and where the next one begins. */
export function messageAt(joined: Buffer, offset: number): { message: Buffer; next: number } {
  const start = offset + HEADER_BYTES;
  const next = start + joined.readUInt32BE(offset + 1);
  return { message: joined.subarray(start, next), next };
}

function encoded(message: Message, encode: (event: GrpcEvent) => Buffer): Buffer {
  const { event, cursor, name } = message;
  const toBytes = ({ type, data }: RealtimeEvent): Buffer =>
    encode({ id: cursor ?? '', type, name, timestamp: new Date(data.timestamp), data });
  try {
    return toBytes(event);
  } catch (error) {
    // A result may nest deeper than a `Struct` can be read; the event itself must not get lost with it.
    if (event.type !== 'JobCompleted') throw error;
    const { result: _, ...data } = event.data;
    return toBytes({ ...event, data: { ...data, result_truncated: true } });
  }
}
