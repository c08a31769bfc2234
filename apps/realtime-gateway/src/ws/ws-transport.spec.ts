import fc from 'fast-check';
import { createRequire } from 'node:module';
import type { Writable } from 'node:stream';
import { created } from '../../test/fixtures.js';
import { Message } from '../fanout/message.js';
import { PING_FRAME, textFrame, wsTransport } from './ws-transport.js';

interface ReceiverClass {
  new (options: { isServer: boolean; allowSynchronousEvents: boolean }): Writable;
}
const { Receiver } = createRequire(import.meta.url)('ws') as { Receiver: ReceiverClass };

/** What a real client makes of the bytes. */
async function received(bytes: Buffer): Promise<{ texts: string[]; pings: number }> {
  const receiver = new Receiver({ isServer: false, allowSynchronousEvents: true });
  const texts: string[] = [];
  let pings = 0;
  receiver.on('message', (data: Buffer) => texts.push(data.toString()));
  receiver.on('ping', () => (pings += 1));
  await new Promise<void>((resolve, reject) => {
    receiver.on('error', reject);
    receiver.write(bytes, () => resolve());
  });
  return { texts, pings };
}

describe('a WebSocket frame', () => {
  it('is read by a client as the text it was made of', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }),
        async (texts) => {
          expect((await received(Buffer.concat(texts.map(textFrame)))).texts).toEqual(texts);
        },
      ),
    );
  });

  it.each([0, 125, 126, 127, 65_535, 65_536, 100_000])('holds %i bytes', async (length) => {
    const text = 'x'.repeat(length);
    expect((await received(textFrame(text))).texts).toEqual([text]);
  });

  it('of several messages and a ping can travel in one write', async () => {
    const messages = [1, 2].map(
      (seq) => new Message(created(`j${seq}`), { seq, cursor: `e-${seq}` }),
    );
    const bytes = wsTransport.join([...messages.map((m) => wsTransport.frame(m)), PING_FRAME]);
    const { texts, pings } = await received(bytes);
    expect(texts.map((text) => JSON.parse(text))).toMatchObject([
      { type: 'JobCreated', id: 'e-1', data: { job_id: 'j1' } },
      { type: 'JobCreated', id: 'e-2', data: { job_id: 'j2' } },
    ]);
    expect(pings).toBe(1);
  });
});
