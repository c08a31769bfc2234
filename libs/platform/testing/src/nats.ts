import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import {
  findOrInstallNatsServer,
  freePort,
  NatsServer,
  type NatsClusterMember,
} from '@spooled/embedded';

import { onCleanUp } from './clean-up.js';
import { askShared, temporaryDirectory, type SharedNats } from './shared-servers.js';

/** The run's shared nats-server: other test files use it at the same time, so subjects must carry an own organization. */
export async function sharedNatsUrl(): Promise<string> {
  return (await askShared<SharedNats>('/nats')).url;
}

/** A nats-server of its own, started, for tests that stop, kill, pause or wipe it. Keeps its port across restarts. */
export async function natsServer(): Promise<NatsServer> {
  const server = await prepared();
  await server.start();
  return server;
}

/** Three of them, started, that keep streams together; they agree on a leader some moments later. */
export async function natsCluster(): Promise<NatsServer[]> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const servers = await Promise.all(
    ports.map((port, index) => prepared({ name: `nats-${index + 1}`, port, ports })),
  );
  await Promise.all(servers.map((server) => server.start()));
  return servers;
}

async function prepared(cluster?: NatsClusterMember): Promise<NatsServer> {
  const directory = await temporaryDirectory();
  const server = new NatsServer({
    binary: await findOrInstallNatsServer(),
    dir: join(directory, 'nats'),
    removeOnParentDeath: directory,
    cluster,
  });
  onCleanUp(async () => {
    await server.kill();
    await rm(directory, { recursive: true, force: true });
  });
  return server;
}
