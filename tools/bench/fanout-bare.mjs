// What the fan-out is held against, chosen by the first argument. `ws` and `sse`: a plain server, one `send()` or
// `write()` per subscriber and message. `raw`: nothing but the system calls, a frame that is made once and one write per
// subscriber of all that is due.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { rssAfterGc } from './memory.mjs';

const servers = { ws, sse, raw };
const server = createServer();
const send = servers[process.argv[2]]();
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', (message) => {
  if (message === 'usage') process.send({ usage: process.cpuUsage() });
  else if (message === 'memory') process.send({ memory: rssAfterGc() });
  else send(message.texts);
});

function ws() {
  const { clients } = new WebSocketServer({ server, perMessageDeflate: false });
  return (texts) => {
    for (const client of clients) for (const text of texts) client.send(text);
  };
}

function sse() {
  const responses = new Set();
  server.on('request', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    responses.add(response);
  });
  return (texts) => {
    for (const response of responses) for (const text of texts) response.write(`data: ${text}\n\n`);
  };
}

function raw() {
  const sockets = new Set();
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    sockets.add(socket);
  });
  return (texts) => {
    const bytes = Buffer.concat(texts.map(frame));
    for (const socket of sockets) socket.write(bytes);
  };
}

/** A text frame of 126 to 65,535 bytes. */
function frame(text) {
  const header = Buffer.from([0x81, 126, 0, 0]);
  header.writeUInt16BE(Buffer.byteLength(text), 2);
  return Buffer.concat([header, Buffer.from(text)]);
}
