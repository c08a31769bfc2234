import type { Message } from '../fanout/message.js';
import type { Transport } from '../fanout/transport.js';

const CRLF = Buffer.from('\r\n');

/**
 * Server-sent events. `isNamed` writes `event:` lines; `isChunked` frames HTTP/1.1 chunks by hand (RFC 9112 §7.1), so
 * that one buffer serves every stream instead of each response framing its own.
 */
export function sseTransport(isNamed: boolean, isChunked: boolean): Transport {
  return TRANSPORTS[Number(isNamed) * 2 + Number(isChunked)] as Transport;
}

/** A chunk of HTTP/1.1, or the plain bytes for HTTP/1.0. */
export function sseBytes(text: string, isChunked: boolean): Buffer {
  const bytes = Buffer.from(text);
  return isChunked ? chunk([bytes]) : bytes;
}

const TRANSPORTS = [false, true].flatMap((isNamed) =>
  [false, true].map((isChunked) => transport(isNamed, isChunked)),
);

function transport(isNamed: boolean, isChunked: boolean): Transport {
  return {
    name: 'sse',
    key: `sse ${isNamed ? 'named' : 'unnamed'} ${isChunked ? 'chunked' : 'plain'}`,
    format: isNamed ? 1 : 2,
    frame: (message) => Buffer.from(block(message, isNamed)),
    join: isChunked ? chunk : (frames) => Buffer.concat(frames),
  };
}

/** Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
function block({ cursor, name, json }: Message, isNamed: boolean): string {
  const id = cursor === null ? '' : `id: ${cursor}\n`;
  const event = isNamed ? `event: ${name}\n` : '';
  return `${id}${event}data: ${json}\n\n`;
}

function chunk(frames: readonly Buffer[]): Buffer {
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  return Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`), ...frames, CRLF]);
}
