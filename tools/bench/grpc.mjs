import { setTimeout as delay } from 'node:timers/promises';
import { httpEnqueue, PAYLOAD } from './enqueue.mjs';
import { createOrganization, startServer } from './environment.mjs';
import { encoded, GrpcConnection } from './grpc-load.mjs';
import { percentiles } from './http-load.mjs';
import { benchWholeLife } from './whole-life.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const IDLE_STREAMS = 1000;

/** Unary calls and pushed jobs, against the same over HTTP. */
export async function benchGrpc(environment, report) {
  const http = await httpEnqueue(environment, {});
  report('HTTP enqueue, 64 connections', http);
  const unary = await unaryEnqueue(environment);
  report('gRPC Enqueue, 64 in flight on 4 connections', unary, [
    ['HTTP', unary.rate / http.rate, 0.8],
  ]);
  if (environment.lifeRate === undefined) await benchWholeLife(environment, report);
  const pushed = await pushedLife(environment);
  report('whole life, 4 StreamJobs workers, unary Complete (jobs/s)', pushed, [
    ['whole life over HTTP', pushed.rate / environment.lifeRate, 1.2],
  ]);
  const idle = await pushLatency(environment);
  report('enqueue answered → pushed to an idle stream', idle, [
    ['5 ms at p50', 5 / Math.max(idle.p50, 0.01), 1],
    ['20 ms at p99', 20 / Math.max(idle.p99, 0.01), 1],
  ]);
  await idleStreams(environment, report);
}

async function unaryEnqueue(environment) {
  const server = await startServer(environment);
  try {
    const { key } = await createOrganization(server, `grpc-unary-${Date.now()}`);
    const frame = encoded('Enqueue', { queue_name: 'emails', payload: struct(PAYLOAD) });
    const connections = connectionsTo(server, key, 4);
    const latencies = [];
    const run = async (seconds, record) => {
      const endsAt = performance.now() + seconds * 1000;
      await Promise.all(
        Array.from({ length: 64 }, async (_, index) => {
          while (performance.now() < endsAt) {
            const sentAt = performance.now();
            await connections[index % 4].call('Enqueue', frame);
            if (record) latencies.push(performance.now() - sentAt);
          }
        }),
      );
    };
    await run(2, false);
    const startedAt = performance.now();
    await run(SECONDS, true);
    const rate = latencies.length / ((performance.now() - startedAt) / 1000);
    for (const connection of connections) connection.close();
    return { rate, ...percentiles(latencies) };
  } finally {
    await server.stop();
  }
}

/** Sixteen producers that each wait for an answer, four workers that jobs are pushed to. */
async function pushedLife(environment) {
  const server = await startServer(environment);
  try {
    const { key } = await createOrganization(server, `grpc-life-${Date.now()}`);
    const connections = connectionsTo(server, key, 4);
    let completed = 0;
    let waiting = 0;
    let completing = 0;
    const endings = await Promise.all(
      connections.map((connection, index) => {
        const worker_id = `w${index}`;
        const frame = encoded('StreamJobs', { queue_name: 'life', worker_id, max_unsettled: 100 });
        return connection.stream('StreamJobs', frame, ({ id, lease_id }) => {
          waiting -= 1;
          completing += 1;
          void connection
            .call('Complete', encoded('Complete', { job_id: id, worker_id, lease_id }))
            .then(() => {
              completing -= 1;
              completed += 1;
            });
        });
      }),
    );
    const enqueue = encoded('Enqueue', {
      queue_name: 'life',
      payload: struct({ to: 'someone@example.com' }),
    });
    const startedAt = performance.now();
    const endsAt = startedAt + SECONDS * 1000;
    await Promise.all(
      Array.from({ length: 16 }, async (_, index) => {
        while (performance.now() < endsAt) {
          // Work that piles up would be told as faster than it is done.
          while (waiting > 200) await delay(1);
          waiting += 1;
          await connections[index % 4].call('Enqueue', enqueue);
        }
      }),
    );
    const rate = completed / ((performance.now() - startedAt) / 1000);
    while (waiting + completing > 0) await delay(10);
    for (const end of endings) end();
    for (const connection of connections) connection.close();
    return { rate };
  } finally {
    await server.stop();
  }
}

async function pushLatency(environment) {
  const server = await startServer(environment);
  try {
    const { key } = await createOrganization(server, `grpc-push-${Date.now()}`);
    const [worker, producer] = connectionsTo(server, key, 2);
    let received = Promise.withResolvers();
    const stream = encoded('StreamJobs', { queue_name: 'idle', worker_id: 'w' });
    await worker.stream('StreamJobs', stream, ({ id, lease_id }) => {
      received.resolve(performance.now());
      void worker.call('Complete', encoded('Complete', { job_id: id, worker_id: 'w', lease_id }));
    });
    const frame = encoded('Enqueue', { queue_name: 'idle', payload: struct({}) });
    const latencies = [];
    for (let count = 0; count < 500; count += 1) {
      received = Promise.withResolvers();
      await producer.call('Enqueue', frame);
      const answeredAt = performance.now();
      latencies.push(Math.max(0, (await received.promise) - answeredAt));
      await delay(10);
    }
    worker.close();
    producer.close();
    return percentiles(latencies.slice(100));
  } finally {
    await server.stop();
  }
}

async function idleStreams(environment, report) {
  const server = await startServer(environment);
  try {
    const { key } = await createOrganization(server, `grpc-idle-${Date.now()}`);
    // What an idle server does by itself is not the streams'.
    await delay(3000);
    const idleShare = await busyShare(server);
    const connections = connectionsTo(server, key, 4);
    for (let index = 0; index < IDLE_STREAMS; index += 1) {
      const frame = encoded('StreamJobs', { queue_name: `idle-${index}`, worker_id: 'w' });
      await connections[index % 4].stream('StreamJobs', frame, () => {});
    }
    await delay(3000);
    const claimsBefore = await claims(environment);
    const share = await busyShare(server);
    const claimsAfter = await claims(environment);
    const percent = (part) => `${(part * 100).toFixed(1)} %`;
    report(
      `${IDLE_STREAMS} idle streams on as many queues`,
      {
        note: `${percent(share)} of a core, ${percent(idleShare)} without them, ${claimsAfter - claimsBefore} claims`,
      },
      [
        ['2 % of a core', 0.02 / share, 1],
        ['no claims', claimsAfter === claimsBefore ? 1 : 0, 1],
      ],
    );
    for (const connection of connections) connection.close();
  } finally {
    await server.stop();
  }
}

/** Of a core, over the measured time. */
async function busyShare(server) {
  const before = await server.usage();
  await delay(SECONDS * 1000);
  const after = await server.usage();
  return (after.user + after.system - before.user - before.system) / 1e6 / SECONDS;
}

/** Claim statements so far. */
async function claims({ client }) {
  await client.query('create extension if not exists pg_stat_statements');
  const { rows } = await client.query(
    `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements
     where query like '%insert into jobs.job_running%' or query like '%jobs.claim%'`,
  );
  return rows[0].calls;
}

function connectionsTo({ grpcPort }, key, count) {
  return Array.from({ length: count }, () => new GrpcConnection(grpcPort, key));
}

/** A flat object of strings and numbers as a Struct. */
function struct(object) {
  const fields = Object.entries(object).map(([name, value]) => [
    name,
    typeof value === 'number' ? { numberValue: value } : { stringValue: value },
  ]);
  return { fields: Object.fromEntries(fields) };
}
