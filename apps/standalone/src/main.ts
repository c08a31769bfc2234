import { isProduction, loadConfig } from '@spooled/config';
import { bootstrap } from '@spooled/runtime';
import path from 'node:path';
import { standaloneConfig } from './config.js';
import { layFoundation } from './foundation.js';
import { keep } from './infrastructure/kept-secret.js';
import { assertPortFree } from './infrastructure/port-check.js';
import { migrateAll } from './migrate.js';
import { welcome } from './welcome.js';
import { rm } from 'node:fs/promises';

try {
  await start();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function start(): Promise<void> {
  const { PORT, GRPC_PORT, SPOOLED_TEMPORARY, SPOOLED_DATA_DIR } = loadConfig(standaloneConfig);
  if (SPOOLED_TEMPORARY) stopWithInput();
  await assertPortFree(PORT);
  await assertPortFree(GRPC_PORT, 'GRPC_PORT');
  const { environment, infrastructure } = await layFoundation({
    info: (line) => process.stdout.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${line}\n`),
  });
  await migrateAll(infrastructure.databaseUrl);
  Object.assign(process.env, environment);
  // The rooms read their environment when they are loaded, so not before it is complete.
  const { StandaloneModule } = await import('./standalone.module.js');
  const { DemoOrganization } = await import('@spooled/auth');
  await bootstrap(StandaloneModule, {
    onStarted: async (context) => {
      const { apiKey } = await context.get(DemoOrganization, { strict: false }).ensure();
      // For programs of the same user, such as `npm run demo`.
      const keyFile = path.join(SPOOLED_DATA_DIR, 'demo-key');
      if (apiKey !== null && !isProduction()) await keep(keyFile, apiKey);
      const places = { port: PORT, grpcPort: GRPC_PORT, keyFile };
      process.stdout.write(`${welcome({ ...places, apiKey })}\n`);
    },
    onStopped: async () => {
      await infrastructure.stop();
      if (SPOOLED_TEMPORARY) await rm(SPOOLED_DATA_DIR, { recursive: true, force: true });
    },
  });
}

function stopWithInput(): void {
  process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM'));
  process.stdin.resume();
}
