import { NetworkError } from '../errors.js';
import { streamQuery, type ConnectionRequest, type Frame } from './connection.js';
import type { Envelope } from './events.js';

/** Server-sent events over fetch: the credential is in a header, and who reads slowly slows the server. */
export async function* serverSentEvents(request: ConnectionRequest): AsyncGenerator<Frame, void> {
  const { http, filters, getTicket, signal } = request;
  // More than one filter is what the query cannot say: then everything comes, and is sorted out on this side.
  const [filter] = filters.length === 1 ? filters : [];
  const query = {
    ...streamQuery(request),
    ...filter,
    ...(getTicket && { ticket: await getTicket() }),
  };
  const { body } = await http.stream('/api/v1/events', query, signal);
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (text + value).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) yield frameOf(block, (text) => http.parse(text));
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new NetworkError('the stream was cut', error);
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function frameOf(block: string, parse: (text: string) => unknown): Frame {
  const [, data] = /^data: ?(.*)/m.exec(block) ?? [];
  if (data !== undefined) return { kind: 'event', event: parse(data) as Envelope };
  const [greeting, cursor] = /^: ?connected ?(\S+)?/m.exec(block) ?? [];
  return greeting === undefined ? { kind: 'alive' } : { kind: 'open', cursor };
}
