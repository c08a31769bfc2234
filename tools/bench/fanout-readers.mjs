// Subscribers that only count bytes, over plain sockets.
import { connect } from 'node:net';

const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

let bytes = 0;
process.on('message', async (message) => {
  if (message === 'count') return process.send({ bytes });
  const { port, path, count, isSse = false } = message;
  for (let index = 0; index < count; index += 1) await open(port, path, isSse);
  process.send({ open: true });
});

function open(port, path, isSse) {
  const upgrade = isSse ? '' : UPGRADE;
  const wanted = isSse ? 'HTTP/1.1 200' : 'HTTP/1.1 101';
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', (head) => {
      if (!head.toString('latin1').startsWith(wanted)) reject(new Error(head.toString()));
      socket.on('data', (chunk) => (bytes += chunk.length));
      resolve();
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`);
  });
}
