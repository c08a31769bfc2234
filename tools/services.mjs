/**
 * `npm run services`: every service as a process of its own, as a deployment runs them, on an embedded PostgreSQL and
 * nats-server unless DATABASE_URL / NATS_URL are given. Ports from SPOOLED_BASE_PORT (8081) on, for gRPC from
 * SPOOLED_BASE_GRPC_PORT (50051) on.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { layFoundation } from '../apps/standalone/dist/foundation.js';
import { assertPortFree } from '../apps/standalone/dist/infrastructure/port-check.js';
import { migrateAll } from '../apps/standalone/dist/migrate.js';
import { ChildServer } from '../libs/platform/embedded/dist/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const basePort = Number(process.env.SPOOLED_BASE_PORT ?? 8081);
const baseGrpcPort = Number(process.env.SPOOLED_BASE_GRPC_PORT ?? 50_051);

/** In starting order; stopped in the opposite one, so that nobody asks a service that is gone. */
const services = [
  {
    name: 'auth',
    paths: ['/auth', '/organizations', '/api-keys', '/billing', '/admin', '/audit'],
  },
  {
    name: 'job-api',
    paths: ['/jobs', '/queues', '/workflows', '/dashboard', '/openapi.json', '/docs'],
    grpc: 'QueueService',
  },
  { name: 'worker-registry', paths: ['/workers'], grpc: 'WorkerService' },
  { name: 'scheduler', paths: ['/schedules'] },
  { name: 'webhook-dispatcher', paths: ['/outgoing-webhooks', '/webhooks'] },
  { name: 'realtime-gateway', paths: ['/ws', '/events'], grpc: 'EventService' },
].map((service, index) => ({ ...service, port: basePort + index }));

const grpcServices = services.filter(({ grpc }) => grpc !== undefined);
for (const [index, service] of grpcServices.entries()) service.grpcPort = baseGrpcPort + index;

/** Ours for this run unless it is set: the demo organization is made through the front door. */
const adminKey = process.env.ADMIN_API_KEY ?? randomBytes(32).toString('hex');

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
  for (const { grpcPort } of grpcServices) {
    await assertPortFree(grpcPort, 'SPOOLED_BASE_GRPC_PORT');
  }
  const { infrastructure, environment } = await layFoundation(log);
  running.push(infrastructure);
  await migrateAll(infrastructure.databaseUrl);
  await Promise.all(services.map((service) => startService(service, environment)));
  if (!stopping) tell(await ensureDemoOrganization());
}

async function startService({ name, port, grpcPort }, environment) {
  if (stopping) return;
  const label = name.padEnd(longest(services.map((service) => service.name)));
  const child = await ChildServer.start({
    name,
    command: process.execPath,
    args: ['--enable-source-maps', path.join(root, 'apps', name, 'dist/main.js')],
    env: {
      ...process.env,
      ...environment,
      PORT: String(port),
      GRPC_PORT: String(grpcPort ?? ''),
      // One port cannot serve them all; each has /metrics on its own.
      METRICS_PORT: '',
      SERVICE_NAME: name,
      ADMIN_API_KEY: adminKey,
    },
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

/** The API key of the organization `demo` when this call made it. */
async function ensureDemoOrganization() {
  const { port } = services.find((service) => service.name === 'auth');
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/admin/organizations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-admin-key': adminKey },
    body: JSON.stringify({ name: 'Demo', slug: 'demo', plan_tier: 'enterprise' }),
  });
  const body = await response.json();
  if (response.status === 201) return body.api_key.key;
  if (response.status === 409) return undefined;
  throw new Error(`the demo organization could not be made: ${JSON.stringify(body)}`);
}

function tell(demoKey) {
  const width = longest(services.map((service) => service.name));
  console.log('\nSpooled runs as separate processes:\n');
  for (const { name, port, paths } of services) {
    const where = paths.map((each) => (each === '/docs' ? each : `/api/v1${each}`)).join(' ');
    console.log(`  ${name.padEnd(width)}  http://localhost:${port}  ${where}`);
  }
  console.log();
  for (const { name, grpcPort, grpc } of grpcServices) {
    console.log(`  ${name.padEnd(width)}  localhost:${grpcPort}  gRPC spooled.v1.${grpc}`);
  }
  if (demoKey) console.log(`\nAPI key of the demo organization (shown this once):  ${demoKey}`);
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
