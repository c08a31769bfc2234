import { createWriteStream } from 'node:fs';
import { join } from 'node:path';

import { findOrInstallNatsServer, NatsServer } from '@spooled/embedded';

import type { RunningServer } from './embedded-postgres.js';
import { Supervisor, type InfrastructureLog } from './supervisor.js';

/**
 * A nats-server with JetStream, its data in `<dataDirectory>/nats`, kept between runs, its log in `nats.log` beside it.
 * One that a killed run left behind is stopped first; one that dies is started again on the same port.
 */
export async function startNatsChild(
  dataDirectory: string,
  log: InfrastructureLog,
): Promise<RunningServer> {
  const binary = await findOrInstallNatsServer({ onProgress: (line) => log.info(line) });
  const logFile = createWriteStream(join(dataDirectory, 'nats.log'), { mode: 0o600 });
  const server = new NatsServer({
    binary,
    dir: join(dataDirectory, 'nats'),
    onLine: (line) => logFile.write(`${line}\n`),
  });
  const supervisor = new Supervisor('nats-server', server, log);
  await supervisor.start();
  return {
    url: server.url,
    async stop() {
      await supervisor.stop();
      logFile.end();
    },
  };
}
