import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { findOrInstallNatsServer, NatsServer } from '@spooled/embedded';

import { onCleanUp } from './clean-up.js';
import { askShared, temporaryDirectory, type SharedNats } from './shared-servers.js';

/** The run's shared nats-server: other test files use it at the same time, so subjects must carry an own organization. */
export async function sharedNatsUrl(): Promise<string> {
  return (await askShared<SharedNats>('/nats')).url;
}

/** A nats-server of its own, started, for tests that stop, kill, pause or wipe it. Keeps its port across restarts. */
export async function natsServer(): Promise<NatsServer> {
  const directory = await temporaryDirectory();
  const server = new NatsServer({
    binary: await findOrInstallNatsServer(),
    dir: join(directory, 'nats'),
    removeOnParentDeath: directory,
  });
  onCleanUp(async () => {
    await server.kill();
    await rm(directory, { recursive: true, force: true });
  });
  await server.start();
  return server;
}
