import { Refusal } from '../refusal.mjs';
import { patiently } from '../rest.mjs';
import { Stream } from '../stream.mjs';
import { headersOf, queryOf } from './http-options.mjs';

class SseStream extends Stream {
  /** Comments, without the colon. */
  comments = [];
  /** Fields of each event as they were written, beside `messages`. */
  frames = [];
  retryMs;

  constructor(response, abort) {
    super();
    this.response = response;
    this.abort = abort;
    void this.#read();
  }

  cut() {
    this.abort.abort();
    this.finish('cut');
  }

  async #read() {
    const decoder = new TextDecoder();
    let text = '';
    try {
      for await (const chunk of this.response.body) {
        text += decoder.decode(chunk, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop();
        for (const block of blocks) this.#take(block);
      }
      this.finish('end');
    } catch {
      this.finish('cut');
    }
  }

  #take(block) {
    const frame = {};
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) this.#comment(line.slice(1).trim());
      else {
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === 'retry') this.retryMs = Number(value);
        else frame[field] = field in frame ? `${frame[field]}\n${value}` : value;
      }
    }
    if (frame.data === undefined) return;
    this.frames.push(frame);
    this.receive(JSON.parse(frame.data));
  }

  #comment(comment) {
    this.comments.push(comment);
    const [, cursor] = /^connected (\S+)$/.exec(comment) ?? [];
    this.cursor ??= cursor;
    this.changed();
  }
}

/** `path` is `/events` unless given. @throws Refusal for any status but 200 */
export async function openSse({ baseUrl }, options) {
  const abort = new AbortController();
  const { path = '/events' } = options;
  const ask = () =>
    fetch(`${baseUrl}/api/v1${path}${queryOf(options)}`, {
      headers: headersOf(options),
      signal: abort.signal,
    });
  const response = options.isPatient === false ? await ask() : await patiently(ask);
  if (response.status !== 200) {
    throw new Refusal(response.status, await response.text(), `GET ${path}`);
  }
  return new SseStream(response, abort);
}
