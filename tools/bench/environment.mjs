// The machine under test: PostgreSQL with durable commits and a nats-server of our own, and servers on top of them.
import { findOrInstallNatsServer, NatsServer, PostgresServer } from '@spooled/embedded';
import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { migrateAll } from '../../apps/standalone/dist/migrate.js';

export const ADMIN_KEY = 'bench-admin-key';

/** `BENCH_EXPLAIN=<milliseconds>` prints the plan of every statement that takes longer. */
const explain = process.env.BENCH_EXPLAIN
  ? {
      'auto_explain.log_min_duration': process.env.BENCH_EXPLAIN,
      'auto_explain.log_analyze': 'on',
      'auto_explain.log_timing': 'off',
      'auto_explain.log_buffers': 'on',
    }
  : {};

export async function startEnvironment() {
  const directory = await mkdtemp(path.join(tmpdir(), 'spooled-bench-'));
  const postgres = new PostgresServer({
    dir: path.join(directory, 'postgres'),
    settings: {
      shared_buffers: '512MB',
      max_wal_size: '4GB',
      synchronous_commit: 'on',
      autovacuum_naptime: '5s',
      shared_preload_libraries: `pg_stat_statements${process.env.BENCH_EXPLAIN ? ',auto_explain' : ''}`,
      ...explain,
    },
    onLine: process.env.BENCH_EXPLAIN ? console.log : undefined,
  });
  const nats = new NatsServer({
    binary: await findOrInstallNatsServer({ onProgress: console.log }),
    dir: path.join(directory, 'nats'),
  });
  await Promise.all([postgres.start(), nats.start()]);
  await migrateAll(postgres.url);
  const client = await connect(postgres.url);
  const others = [];
  return {
    directory,
    databaseUrl: postgres.url,
    natsUrl: nats.url,
    client,
    urlOf: (database) => postgres.urlOf(database),
    atEnd: (stop) => others.push(stop),
    async stop() {
      for (const stop of others) await stop();
      await client.end();
      await nats.stop();
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A second database on the same PostgreSQL, with a bus of its own: what runs there has its own data and event log. */
export async function anotherInstallation(environment, name) {
  await environment.client.query(`create database ${name}`);
  const databaseUrl = environment.urlOf(name);
  await migrateAll(databaseUrl);
  const nats = new NatsServer({
    binary: await findOrInstallNatsServer({ onProgress: console.log }),
    dir: path.join(environment.directory, `nats-${name}`),
  });
  await nats.start();
  const client = await connect(databaseUrl);
  environment.atEnd(async () => {
    await client.end();
    await nats.stop();
  });
  return { databaseUrl, natsUrl: nats.url, client };
}

async function connect(connectionString) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

/** A server process; `environment` adds to what it needs. */
export async function startServer({ databaseUrl, natsUrl }, environment = {}) {
  const child = fork(new URL('./server.mjs', import.meta.url), {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      NATS_URL: natsUrl,
      PORT: '0',
      GRPC_PORT: '0',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      JWT_SECRET: 'bench-secret-bench-secret-bench-secret',
      ADMIN_API_KEY: ADMIN_KEY,
      TRUSTED_PROXIES: '127.0.0.1',
      RATE_LIMIT_REQUESTS_PER_SECOND: '100000',
      RATE_LIMIT_BURST_SIZE: '100000',
      ...environment,
    },
    execArgv: [
      '--expose-gc',
      ...(process.env.BENCH_PROFILE
        ? ['--cpu-prof', '--cpu-prof-dir', process.env.BENCH_PROFILE]
        : []),
    ],
  });
  const ask = (key, question) =>
    new Promise((resolve, reject) => {
      const fail = (code) => reject(new Error(`the server ended with ${code}`));
      const hear = (message) => {
        if (message[key] === undefined) return;
        child.off('message', hear).off('exit', fail);
        resolve(message[key]);
      };
      child.on('message', hear).once('exit', fail);
      if (question !== undefined) child.send(question);
    });
  const { http: port, grpc: grpcPort } = await ask('ports');
  return {
    port,
    grpcPort,
    usage: () => ask('usage', 'usage'),
    memory: () => ask('memory', 'memory'),
    feed: (feed) => child.send({ feed }),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** An organization whose plan limits do not get in the way, and its key. */
export async function createOrganization({ port }, slug) {
  const call = async (method, url, body) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${url}`, {
      method,
      headers: {
        'content-type': 'application/json',
        'x-admin-key': ADMIN_KEY,
        // Public and admin routes are limited by address: each call comes from one of its own.
        'x-forwarded-for': `10.${randomInt(255)}.${randomInt(255)}.${randomInt(1, 255)}`,
      },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const { organization, api_key } = await call('POST', '/admin/organizations', {
    name: slug,
    slug,
    plan_tier: 'enterprise',
  });
  await call('PATCH', `/admin/organizations/${organization.id}`, {
    custom_limits: { rate_limit_requests_per_second: 1_000_000, rate_limit_burst: 1_000_000 },
  });
  return { organizationId: organization.id, key: api_key.key };
}
