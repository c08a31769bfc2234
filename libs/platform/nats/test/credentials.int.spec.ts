import { createLogger } from '@spooled/telemetry';
import {
  eventually,
  findOrInstallNatsServer,
  freePort,
  onCleanUp,
  spawnProcess,
} from '@spooled/testing';
import { Bus } from '../src/index.js';

it('a bus that wants to know who asks lets in whom NATS_URL names, and nobody else', async () => {
  const port = await freePort();
  const server = await spawnProcess({
    command: await findOrInstallNatsServer(),
    args: ['-a', '127.0.0.1', '-p', String(port), '--user', 'spooled', '--pass', 'p@ss'],
  });
  onCleanUp(() => void server.kill('SIGKILL'));
  const busOf = (credentials: string): Bus => {
    const config = {
      NATS_URL: `nats://${credentials}127.0.0.1:${port}`,
      SERVICE_NAME: 'test',
    };
    return new Bus(config, createLogger('test', 'silent'));
  };
  const [named, nameless] = [busOf('spooled:p%40ss@'), busOf('')];
  try {
    await named.onModuleInit();
    await eventually(() => expect(named.isConnected).toBe(true));
    await nameless.onModuleInit();
    expect(nameless.isConnected).toBe(false);
  } finally {
    await named.onApplicationShutdown();
    await nameless.onApplicationShutdown();
    server.kill('SIGKILL');
    await server.exited;
  }
});
