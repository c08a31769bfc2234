import { created, queueStats } from '../../test/fixtures.js';
import { Message } from '../fanout/message.js';
import { sseBytes, sseTransport } from './sse-transport.js';

const stored = new Message(created('j1'), { seq: 7, cursor: 'e-7' });
const control = new Message(queueStats('emails'));

describe('an SSE block', () => {
  it('has id, event and one line of data', () => {
    const text = sseTransport(true, false).frame(stored).toString();
    const [id, event, data, ...rest] = text.split('\n');
    expect([id, event, ...rest]).toEqual(['id: e-7', 'event: job.created', '', '']);
    expect(JSON.parse(data!.replace('data: ', ''))).toMatchObject({
      type: 'JobCreated',
      id: 'e-7',
    });
  });

  it('has no id for a control event', () => {
    expect(sseTransport(true, false).frame(control).toString()).toMatch(
      /^event: queue.stats\ndata: /,
    );
  });

  it('has no name when the client asked for unnamed ones', () => {
    expect(sseTransport(false, false).frame(stored).toString()).toMatch(/^id: e-7\ndata: /);
  });

  it('stays one line whatever the data holds', () => {
    const job = created('a\nb\r\n\u2028c');
    const text = sseTransport(false, false).frame(new Message(job)).toString();
    expect(text.split(/\r|\n/)).toHaveLength(3);
  });
});

describe('chunks', () => {
  it('carry the length of several blocks in hexadecimal', () => {
    const transport = sseTransport(true, true);
    const frames = [stored, control].map((message) => transport.frame(message));
    const [head, ...rest] = transport.join(frames).toString().split('\r\n');
    const body = frames.map(String).join('');
    expect(parseInt(head as string, 16)).toBe(Buffer.byteLength(body));
    expect(rest).toEqual([body, '']);
  });

  it('are left out for HTTP/1.0', () => {
    expect(sseBytes(': x\n\n', false).toString()).toBe(': x\n\n');
    expect(sseBytes(': x\n\n', true).toString()).toBe('5\r\n: x\n\n\r\n');
  });
});
