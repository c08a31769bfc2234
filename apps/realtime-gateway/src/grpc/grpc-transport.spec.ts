import { eventsGrpc, PROTO_DIRECTORY, type StoredEvent } from '@spooled/contracts';
import { encoderOf } from '@spooled/grpc';
import protobuf from 'protobufjs';
import { completed, created, now, ping } from '../../test/fixtures.js';
import { Message } from '../fanout/message.js';
import { grpcTransport, messageAt } from './grpc-transport.js';

const transport = grpcTransport(encoderOf(eventsGrpc.subscribeEvents));

/** The wire format, by a decoder that knows nothing of how we make it. */
const root = new protobuf.Root();
root.resolvePath = (_origin, target) =>
  target.startsWith('google/') ? target : `${PROTO_DIRECTORY}/${target}`;
const Event = root
  .loadSync('spooled/v1/event.proto', { keepCase: true })
  .lookupType('spooled.v1.Event');

const stored = (event: StoredEvent, seq: number): Message =>
  new Message(event, { seq, cursor: `e-${seq}` });

/** The messages of what one write carries. */
function received(joined: Buffer): Record<string, unknown>[] {
  const messages: Record<string, unknown>[] = [];
  for (let offset = 0; offset < joined.length;) {
    const { message, next } = messageAt(joined, offset);
    messages.push(Event.decode(message) as unknown as Record<string, unknown>);
    offset = next;
  }
  return messages;
}

describe('an event over gRPC', () => {
  it('has cursor, tag, name, time, and its data as a Struct', () => {
    const event = { ...created('j1'), data: { ...created('j1').data, timestamp: now } };
    const message = stored(event as StoredEvent, 7);
    const [decoded] = received(transport.frame(message));
    expect(JSON.parse(JSON.stringify(decoded))).toEqual({
      id: 'e-7',
      type: 'JobCreated',
      name: 'job.created',
      timestamp: { seconds: String(Date.parse(now) / 1000), nanos: 0 },
      data: {
        fields: {
          job_id: { stringValue: 'j1' },
          queue_name: { stringValue: 'emails' },
          priority: { numberValue: 0 },
          status: { stringValue: 'pending' },
          rev: { numberValue: 1 },
          timestamp: { stringValue: now },
        },
      },
    });
  });

  it('has no cursor when it is about the present', () => {
    const [decoded] = received(transport.frame(new Message(ping)));
    expect(decoded).toMatchObject({ id: '', type: 'Ping', name: 'ping' });
  });

  it('travels with others in one write, each with the header of a message', () => {
    const messages = [1, 2, 3].map((seq) => stored(created(`j${seq}`), seq));
    const joined = transport.join(messages.map((message) => transport.frame(message)));
    expect(received(joined)).toMatchObject([{ id: 'e-1' }, { id: 'e-2' }, { id: 'e-3' }]);
    expect(joined[0]).toBe(0);
  });

  it('loses a result that nests too deep for a Struct, and nothing else', () => {
    const done = completed('j1');
    const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
    const withResult = (levels: number): Message =>
      stored({ ...done, data: { ...done.data, result: deep(levels) } } as StoredEvent, 1);
    const fields = (message: Message): object =>
      (received(transport.frame(message))[0]!['data'] as { fields: object }).fields;
    expect(fields(withResult(63))).toHaveProperty('result');
    expect(fields(withResult(63))).not.toHaveProperty('result_truncated');
    expect(fields(withResult(300))).not.toHaveProperty('result');
    expect(fields(withResult(300))).toMatchObject({
      job_id: { stringValue: 'j1' },
      result_truncated: { boolValue: true },
    });
  });
});
