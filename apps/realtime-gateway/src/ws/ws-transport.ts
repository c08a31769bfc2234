import type { Message } from '../fanout/message.js';
import type { Transport } from '../fanout/transport.js';

/** FIN and opcode 1; a server never masks. Source: RFC 6455 §5.2 */
const TEXT = 0x81;
/** An empty ping: FIN and opcode 9. */
export const PING_FRAME = Buffer.from([0x89, 0x00]);

export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = TEXT;
  if (header === 2) frame[1] = length;
  else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, header, 'utf8');
  return frame;
}

export const wsTransport: Transport = {
  name: 'ws',
  key: 'ws',
  format: 0,
  frame: ({ json }: Message) => textFrame(json),
  join: (frames) => (frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames)),
};
