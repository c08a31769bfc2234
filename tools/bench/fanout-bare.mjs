// What a plain server does: one `send()` per subscriber and message.
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
server.on('listening', () => process.send({ port: server.address().port }));
process.on('message', (message) => {
  if (message === 'usage') process.send({ usage: process.cpuUsage() });
  else for (const client of server.clients) for (const text of message.texts) client.send(text);
});
