import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
} from 'node:net';
import { OutboundHttp, type OutboundOptions } from '../src/index.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A receiver on this machine, and how many connections it got. */
async function receiver(
  answer: RequestListener = (_request, response) => response.end('thanks'),
): Promise<{ port: number; server: Server; connections: () => number }> {
  const server = createServer(answer);
  let connections = 0;
  server.on('connection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, server, connections: () => connections };
}

function outbound(over: Partial<OutboundOptions> = {}): OutboundHttp {
  const http = new OutboundHttp({ allowsLocalHttp: true, ...over });
  closers.push(() => http.close());
  return http;
}

const message = { headers: { 'content-type': 'application/json' }, body: '{}' };

describe('a request to a receiver', () => {
  it('is posted, and answers status and body; connections are used again', async () => {
    const seen: string[] = [];
    const { port, connections } = await receiver((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen.push(`${request.method} ${request.url} ${String(request.headers['x-a'])} ${body}`);
        response.writeHead(201).end('thanks');
      });
    });
    const http = outbound();
    const url = `http://localhost:${port}/hook?a=b`;
    for (let count = 0; count < 3; count += 1) {
      const answer = await http.post({ url, headers: { 'x-a': '1' }, body: '{"n":1}' });
      expect(answer).toEqual({ status: 201, body: 'thanks' });
    }
    expect(seen).toEqual(Array(3).fill('POST /hook?a=b 1 {"n":1}'));
    expect(connections()).toBeLessThan(3);
  });

  it('does not follow a redirect', async () => {
    const target = await receiver();
    const { port } = await receiver((_request, response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${target.port}/` }).end(),
    );
    const answer = await outbound().post({ url: `http://127.0.0.1:${port}/`, ...message });
    expect(answer.status).toBe(307);
    expect(target.connections()).toBe(0);
  });

  it('reads the first 4 KiB of an answer that never ends', async () => {
    const { port } = await receiver((_request, response) => {
      response.writeHead(200);
      const pour = (): void => {
        while (response.write('x'.repeat(1000)));
      };
      response.on('drain', pour);
      pour();
    });
    const answer = await outbound().post({ url: `http://127.0.0.1:${port}/`, ...message });
    expect(answer).toEqual({ status: 200, body: 'x'.repeat(4096) });
  });

  it('keeps the status of an answer whose body does not end in time', async () => {
    const { port } = await receiver((_request, response) => {
      response.writeHead(200).write('a');
    });
    const http = outbound({ totalTimeoutMs: 2000 });
    const answer = await http.post({ url: `http://127.0.0.1:${port}/`, ...message });
    expect(answer).toEqual({ status: 200, body: 'a' });
  });

  it('fails when nothing is answered in time', async () => {
    const { port } = await receiver(() => undefined);
    const http = outbound({ totalTimeoutMs: 200 });
    await expect(http.post({ url: `http://127.0.0.1:${port}/`, ...message })).rejects.toThrow(
      'no answer within 0.2 s',
    );
  });

  it('fails when no connection stands in time', async () => {
    const http = outbound({
      allowsLocalHttp: false,
      connectTimeoutMs: 100,
      // A name whose server keeps silent.
      resolve: () => new Promise<never>(() => undefined),
    });
    await expect(http.post({ url: 'https://example.com/', ...message })).rejects.toThrow(
      'no connection within 0.1 s',
    );
  });

  it('says why there is no answer', async () => {
    const { port, server } = await receiver((request) => request.socket.destroy());
    const url = `http://127.0.0.1:${port}/`;
    await expect(outbound().post({ url, ...message })).rejects.toThrow('the request failed');
    await new Promise((resolve) => server.close(resolve));
    await expect(outbound().post({ url, ...message })).rejects.toThrow(
      'the connection was refused',
    );
    const lost = outbound({ resolve: () => Promise.reject(new Error('nothing')) });
    await expect(lost.post({ url: 'https://example.com/', ...message })).rejects.toThrow(
      'the name cannot be resolved',
    );
  });
});

/** A listener that takes any protocol, on both loopback addresses where there are two. */
async function listener(): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const listen = async (host: string, port: number): Promise<TcpServer> => {
    const server = createTcpServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    server.listen(port, host);
    await once(server, 'listening');
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    return server;
  };
  const { port } = (await listen('127.0.0.1', 0)).address() as AddressInfo;
  await listen('::1', port).catch(() => undefined);
  return { port, connections: () => connections };
}

describe('a request to a forbidden address', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '017700000001',
    '0',
    'localhost',
    'localhost.',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '127.0.0.1.',
    '127。0。0。1',
  ])('%s connects to nobody', async (host) => {
    const { port, connections } = await listener();
    for (const scheme of ['http', 'https']) {
      const http = outbound({ allowsLocalHttp: false });
      const url = `${scheme}://${host}:${port}/`;
      await expect(http.post({ url, ...message })).rejects.toThrow(/not allowed|not a URL/);
      expect(await http.problemOf(url)).toMatch(/not allowed|not a URL/);
    }
    expect(connections()).toBe(0);
  });

  it.each([
    ['one of this machine', ['127.0.0.1']],
    ['one of this machine, as IPv6', ['::ffff:127.0.0.1']],
    ['one of this machine among others', ['8.8.8.8', '127.0.0.1']],
    ['a private one', ['10.0.0.1']],
    ['none', []],
  ])('behind a name that leads to %s connects to nobody', async (_name, addresses) => {
    const { port, connections } = await listener();
    const http = outbound({ resolve: async () => addresses });
    await expect(
      http.post({ url: `https://receiver.example.com:${port}/`, ...message }),
    ).rejects.toThrow('the name leads to an address that is not allowed');
    expect(connections()).toBe(0);
  });

  it('is refused when a name leads elsewhere by the time it is connected to', async () => {
    const { port, connections } = await listener();
    const answers = [['8.8.8.8'], ['127.0.0.1']];
    const http = outbound({ resolve: async () => answers.shift() ?? [] });
    const url = `https://receiver.example.com:${port}/`;
    expect(await http.problemOf(url)).toBeNull();
    await expect(http.post({ url, ...message })).rejects.toThrow('not allowed');
    expect(connections()).toBe(0);
  });

  it('is refused when it is configured, unless nobody can tell yet', async () => {
    const url = 'https://receiver.example.com/';
    const local = outbound({ resolve: async () => ['192.168.1.1'] });
    expect(await local.problemOf(url)).toBe('the name leads to an address that is not allowed');
    const unknown = outbound({ resolve: () => Promise.reject(new Error('nothing')) });
    expect(await unknown.problemOf(url)).toBeNull();
  });

  it('on the internet is no way for what development sends to this machine', async () => {
    const http = outbound({ resolve: async () => ['8.8.8.8'] });
    await expect(http.post({ url: 'http://localhost:1/', ...message })).rejects.toThrow(
      'not allowed',
    );
  });
});
