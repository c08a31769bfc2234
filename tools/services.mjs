/**
 * `npm run services`: every service as a process of its own, as a deployment runs them, on an embedded PostgreSQL and
 * nats-server unless DATABASE_URL / NATS_URL are given. Ports from SPOOLED_BASE_PORT (8081) on.
 */
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { startInfrastructure } from '../apps/standalone/dist/infrastructure/infrastructure.js';
import { keptJwtSecret } from '../apps/standalone/dist/infrastructure/kept-secret.js';
import { assertPortFree } from '../apps/standalone/dist/infrastructure/port-check.js';
import { ensureDemoOrganization } from '../apps/standalone/dist/demo.js';
import { migrateAll } from '../apps/standalone/dist/migrate.js';
import { ChildServer } from '../libs/platform/embedded/dist/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const basePort = Number(process.env.SPOOLED_BASE_PORT ?? 8081);

/** In starting order; stopped in the opposite one, so that nobody asks a service that is gone. */
const services = [
  {
    name: 'auth',
    paths: ['/auth', '/organizations', '/api-keys', '/billing', '/admin'],
  },
  {
    name: 'job-api',
    paths: ['/jobs', '/queues', '/workflows', '/dashboard', '/openapi.json', '/docs'],
  },
  { name: 'worker-registry', paths: ['/workers'] },
  { name: 'realtime-gateway', paths: ['/ws', '/events'] },
].map((service, index) => ({ ...service, port: basePort + index }));

const readyWithinMs = 30_000;
const stopWithinMs = 40_000;

const log = {
  info: (message) => console.log(message),
  warn: (message) => console.error(message),
};

/** What has been started, oldest first. */
const running = [];
let stopping;

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop(0));
try {
  await start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}

async function start() {
  for (const { port } of services) await assertPortFree(port, 'SPOOLED_BASE_PORT');
  const dataDirectory = process.env.SPOOLED_DATA_DIR ?? path.join(root, '.spooled');
  const infrastructure = await startInfrastructure({
    dataDirectory,
    databaseUrl: process.env.DATABASE_URL,
    natsUrl: process.env.NATS_URL,
    log,
  });
  running.push(infrastructure);
  Object.assign(process.env, {
    DATABASE_URL: infrastructure.databaseUrl,
    NATS_URL: infrastructure.natsUrl,
    JWT_SECRET: process.env.JWT_SECRET ?? (await keptJwtSecret(dataDirectory)),
  });
  await migrateAll(infrastructure.databaseUrl);
  const demo = await ensureDemoOrganization();
  await Promise.all(services.map(startService));
  if (!stopping) tell(demo);
}

async function startService({ name, port }) {
  if (stopping) return;
  const label = name.padEnd(longest(services.map((service) => service.name)));
  const child = await ChildServer.start({
    name,
    command: process.execPath,
    args: ['--enable-source-maps', path.join(root, 'apps', name, 'dist/main.js')],
    env: { ...process.env, PORT: String(port), SERVICE_NAME: name },
    onLine: (line) => console.log(`${label} | ${line}`),
  });
  running.push({ stop: () => child.stop('SIGTERM', stopWithinMs) });
  void child.exited.then(({ code, signal }) => {
    if (stopping) return;
    console.error(`${name} ended (${signal ?? `code ${code}`}): stopping everything.`);
    void stop(1);
  });
  await ready(name, port, child);
}

async function ready(name, port, child) {
  const deadline = performance.now() + readyWithinMs;
  while (child.isRunning && !stopping) {
    const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
    if (response?.ok) return;
    if (performance.now() > deadline) throw new Error(`${name} is not ready on port ${port}`);
    await delay(25);
  }
}

function tell(demo) {
  const width = longest(services.map((service) => service.name));
  console.log('\nSpooled runs as separate processes:\n');
  for (const { name, port, paths } of services) {
    const where = paths.map((each) => (each === '/docs' ? each : `/api/v1${each}`)).join(' ');
    console.log(`  ${name.padEnd(width)}  http://localhost:${port}  ${where}`);
  }
  if (demo.apiKey) {
    console.log(`\nAPI key of the demo organization, shown only now: ${demo.apiKey}`);
  }
  console.log('\nCtrl-C stops everything.\n');
}

/** The services newest first, then what they stand on. */
function stop(exitCode) {
  stopping ??= (async () => {
    for (const each of running.reverse()) await each.stop();
    process.exit(exitCode);
  })();
  return stopping;
}

function longest(names) {
  return Math.max(...names.map((name) => name.length));
}
