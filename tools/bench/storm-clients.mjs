// WebSocket clients that resume after the last event they have whenever their connection ends, as the SDKs do.
import { WebSocket } from 'ws';

const FIRST_BACKOFF_MS = 1000;
const LONGEST_BACKOFF_MS = 30_000;

const clients = [];

process.on('message', (message) => {
  if (message === 'cut') for (const client of clients) client.cut();
  else if (message === 'state') process.send({ state: state() });
  else for (let index = 0; index < message.count; index += 1) clients.push(new Client(message.url));
});

function state() {
  const sequences = clients.map(({ last }) => last);
  return {
    open: clients.filter(({ isOpen }) => isOpen).length,
    least: Math.min(...sequences),
    connections: sum(({ connections }) => connections),
    wrong: sum(({ wrong }) => wrong),
  };
}

function sum(of) {
  return clients.reduce((total, client) => total + of(client), 0);
}

class Client {
  isOpen = false;
  connections = 0;
  /** Sequence of the last event; 0 before the first. */
  last = 0;
  /** Events that came twice, or too early. */
  wrong = 0;
  #cursor;
  #backoffMs = FIRST_BACKOFF_MS;

  constructor(url) {
    this.url = url;
    this.#connect();
  }

  cut() {
    this.socket.terminate();
  }

  #connect() {
    const resume = this.#cursor === undefined ? '' : `&last_event_id=${this.#cursor}`;
    this.socket = new WebSocket(this.url + resume, { perMessageDeflate: false });
    this.socket.on('open', () => {
      this.isOpen = true;
      this.connections += 1;
      this.#backoffMs = FIRST_BACKOFF_MS;
    });
    this.socket.on('message', (data) => this.#hear(JSON.parse(data)));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isOpen = false;
      setTimeout(() => this.#connect(), this.#backoffMs * (1 + Math.random() / 4));
      this.#backoffMs = Math.min(2 * this.#backoffMs, LONGEST_BACKOFF_MS);
    });
  }

  #hear({ id }) {
    if (id === undefined) return;
    const sequence = Number(id.split('-')[1]);
    if (this.last !== 0 && sequence !== this.last + 1) this.wrong += 1;
    this.last = sequence;
    this.#cursor = id;
  }
}
