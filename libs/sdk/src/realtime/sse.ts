import { AuthorizationError, NetworkError, ValidationError } from '../errors.js';
import { streamQuery, type ConnectionRequest, type Frame } from './connection.js';
import type { Envelope, EventFilter } from './events.js';

/** Server-sent events over fetch: the credential is in a header, and who reads slowly slows the server. */
export async function* serverSentEvents(request: ConnectionRequest): AsyncGenerator<Frame, void> {
  const { http, getTicket, signal, isChangeable } = request;
  const filters = isChangeable ? await acceptedOf(request) : request.filters;
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

/** Filters that the credential is good for; the others would make the server refuse the stream, or never be heard of. */
async function acceptedOf(request: ConnectionRequest): Promise<EventFilter[]> {
  const { http, filters, getTicket, signal, onSettled } = request;
  const accepted: EventFilter[] = [];
  for (const filter of filters) {
    const { queue, jobId } = filter;
    try {
      // What a ticket of the application is good for is not known here: what it is not good for does not come.
      const isAsked = getTicket === undefined && (queue ?? jobId) !== undefined;
      if (isAsked) await http.call('auth', 'createTicket', { body: { queue, jobId } }, { signal });
      accepted.push(filter);
      onSettled(filter);
    } catch (error) {
      if (!(error instanceof AuthorizationError || error instanceof ValidationError)) throw error;
      onSettled(filter, error);
    }
  }
  // One alone goes into the query, where it makes the server refuse what the ticket is not good for.
  return getTicket === undefined ? accepted : [];
}

function frameOf(block: string, parse: (text: string) => unknown): Frame {
  const [, data] = /^data: ?(.*)/m.exec(block) ?? [];
  if (data !== undefined) return { kind: 'event', event: parse(data) as Envelope };
  const [greeting, cursor] = /^: ?connected ?(\S+)?/m.exec(block) ?? [];
  return greeting === undefined ? { kind: 'alive' } : { kind: 'open', cursor };
}
