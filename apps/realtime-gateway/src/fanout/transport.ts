import type { Message } from './message.js';

/** How messages become bytes on one kind of connection. */
export interface Transport {
  readonly name: 'ws' | 'sse' | 'grpc';
  /** Transports with the same key write the same bytes. */
  readonly key: string;
  /** Index into `Message.frames`. */
  readonly format: number;
  frame(message: Message): Buffer;
  /** Joins frames into what one write carries. */
  join(frames: readonly Buffer[]): Buffer;
}

/** Messages that travel in one write. */
export interface Slice {
  readonly bytes: Buffer;
  readonly messages: readonly Message[];
  /** Sequence of the last stored event before these. */
  readonly after: number;
}

/** A slice is at most this large, so that a reader can be told slow between two of them. */
const MAX_SLICE_MESSAGES = 256;
const MAX_SLICE_BYTES = 256 * 1024;

/** Frames and joins messages once for every connection that gets exactly these. */
export function slice(
  transport: Transport,
  messages: readonly Message[],
  after: number,
): readonly Slice[] {
  const slices: Slice[] = [];
  let start = 0;
  let bytes = 0;
  let position = after;
  let frames: Buffer[] = [];
  const cut = (end: number): void => {
    slices.push({
      bytes: transport.join(frames),
      messages: messages.slice(start, end),
      after: position,
    });
    position = messages[end - 1]?.seq ?? position;
    start = end;
    bytes = 0;
    frames = [];
  };
  messages.forEach((message, index) => {
    const frame = framed(transport, message);
    const isFull = frames.length >= MAX_SLICE_MESSAGES || bytes + frame.length > MAX_SLICE_BYTES;
    if (isFull && frames.length > 0) cut(index);
    frames.push(frame);
    bytes += frame.length;
  });
  if (frames.length > 0) cut(messages.length);
  return slices;
}

function framed(transport: Transport, message: Message): Buffer {
  return (message.frames[transport.format] ??= transport.frame(message));
}
