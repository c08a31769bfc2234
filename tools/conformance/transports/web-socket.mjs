import { WebSocket } from 'ws';

import { Refusal } from '../refusal.mjs';
import { Stream } from '../stream.mjs';
import { headersOf, queryOf } from './http-options.mjs';

class WebSocketStream extends Stream {
  constructor(socket) {
    super();
    this.socket = socket;
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.receive({ type: 'a binary frame' });
      else this.receive(JSON.parse(data.toString()));
    });
    socket.once('close', (code) => this.finish(code));
    socket.on('error', () => undefined);
  }

  /** An object is sent as JSON, a string or bytes as they are. */
  send(message) {
    const isRaw = typeof message === 'string' || Buffer.isBuffer(message);
    this.socket.send(isRaw ? message : JSON.stringify(message));
  }

  /** The answer to a command with a `request_id`. */
  async ask(command) {
    const id = `ask-${++asked}`;
    this.send({ ...command, request_id: id });
    return this.waitFor(({ request_id }) => request_id === id, `the answer to ${id}`);
  }

  close() {
    this.socket.close(1000);
  }

  cut() {
    this.socket.terminate();
    this.finish('cut');
  }
}

let asked = 0;

/** @throws Refusal when the upgrade is refused */
export function openWebSocket({ baseUrl }, options) {
  const url = `${baseUrl.replace(/^http/, 'ws')}/api/v1/ws${queryOf(options)}`;
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers: headersOf(options), perMessageDeflate: false });
    const stream = new WebSocketStream(socket);
    socket.once('open', () => resolve(stream));
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => {
        reject(new Refusal(response.statusCode, body, 'the upgrade'));
        socket.terminate();
      });
    });
  });
}
