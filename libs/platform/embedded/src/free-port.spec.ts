import { once } from 'node:events';
import { createServer } from 'node:net';

import { freePort } from './free-port.js';

describe('a free port', () => {
  it('is given to nobody twice, and is none that the system gives out', async () => {
    const ports = await Promise.all(Array.from({ length: 200 }, freePort));
    expect(new Set(ports).size).toBe(200);
    // Source: ip_local_port_range of Linux begins at 32768, those of others later.
    for (const port of ports) expect(port).toBeLessThan(32_768);
  });

  it('is not one that somebody listens on', async () => {
    const port = await freePort();
    const server = createServer().listen(port + 1, '127.0.0.1');
    await once(server, 'listening');
    expect(await freePort()).not.toBe(port + 1);
    server.close();
  });
});
