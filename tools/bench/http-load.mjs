// A closed loop of HTTP connections over plain sockets: on two cores a full client would measure itself.
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

/**
 * Sends `next()` (a complete request as text) over each connection again and again for `seconds`, or until it is null.
 * Of several `ports` each connection has one. With `everyMs` a connection sends that often, beginning at a random moment of the first interval, and latencies count
 * from when a request was due. Answers requests per second and latencies in milliseconds; a status outside 2xx is an
 * error.
 */
export async function httpLoad({
  port,
  ports = [port],
  connections,
  seconds,
  everyMs = 0,
  next,
  onAnswer = () => {},
}) {
  const latencies = [];
  const errors = new Map();
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, (_, index) => {
      const socket = connect({
        port: ports[index % ports.length],
        host: '127.0.0.1',
        noDelay: true,
      });
      return new Promise((resolve, reject) => {
        let received = '';
        let dueAt = startedAt + Math.random() * everyMs;
        let sentAt = 0;
        const sendWhenDue = () => {
          if (everyMs === 0) return send();
          dueAt += everyMs;
          return setTimeout(send, Math.max(0, dueAt - performance.now()));
        };
        const send = () => {
          const request = performance.now() < endsAt ? next(index) : null;
          if (request === null) {
            socket.end();
            resolve();
            return;
          }
          sentAt = everyMs === 0 ? performance.now() : dueAt;
          socket.write(request);
        };
        socket.setEncoding('latin1');
        socket.on('connect', sendWhenDue);
        socket.on('error', reject);
        socket.on('data', (chunk) => {
          received += chunk;
          const headersEnd = received.indexOf('\r\n\r\n');
          if (headersEnd < 0) return;
          const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
          if (received.length < headersEnd + 4 + length) return;
          const status = Number(received.slice(9, 12));
          if (status >= 300) errors.set(status, (errors.get(status) ?? 0) + 1);
          const latency = performance.now() - sentAt;
          latencies.push(latency);
          const body = received.slice(headersEnd + 4, headersEnd + 4 + length);
          received = '';
          onAnswer(body, index, latency);
          sendWhenDue();
        });
      });
    }),
  );
  const elapsed = (performance.now() - startedAt) / 1000;
  if (errors.size > 0) console.warn('  refused:', Object.fromEntries(errors));
  const count = latencies.length;
  return { rate: count / elapsed, count, latencies, ...percentiles(latencies) };
}

/** A JSON request as the text that goes over the wire. */
export function jsonRequest({ method = 'POST', path, key, body }) {
  const text = body === undefined ? '' : JSON.stringify(body);
  return (
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}

export function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}
