import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { createOrganization, startServer } from './environment.mjs';
import { answer } from './fanout.mjs';
import { httpLoad, jsonRequest } from './http-load.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const JOBS_PER_SECOND = 200;
const CONNECTIONS = 10;

/**
 * What ten people who watch one organization cost more than one, while its jobs come: nothing but the writes to their
 * sockets. Statements that the database was sent, and CPU of the server, for the same work.
 */
export async function benchViewers(environment, report) {
  await environment.client.query('create extension if not exists pg_stat_statements');
  const server = await startServer(environment);
  const viewers = fork(new URL('./fanout-readers.mjs', import.meta.url));
  try {
    const { key } = await createOrganization(server, `viewers-${uuidv7()}`);
    const watch = async (count) => {
      viewers.send({ port: server.port, path: `/api/v1/ws?api_key=${key}`, count });
      await answer(viewers, 'open');
    };
    await watch(1);
    await work(environment, server, key);
    const one = await work(environment, server, key);
    await watch(9);
    await sleep(1000);
    const ten = await work(environment, server, key);
    const note = ({ statements, cpuMs }) => ({
      note: `${statements} statements, ${cpuMs.toFixed(0)} ms of CPU`,
    });
    const title = `${JOBS_PER_SECOND} jobs/s for ${SECONDS} s`;
    report(`one viewer, ${title}`, note(one));
    report(`ten viewers, ${title}`, note(ten), [
      ['of the statements that one viewer costs (inverse)', one.statements / ten.statements, 0.95],
    ]);
    const deliveries = 9 * JOBS_PER_SECOND * SECONDS;
    report('CPU of a delivery to a further viewer', {
      note: `${(((ten.cpuMs - one.cpuMs) / deliveries) * 1000).toFixed(1)} µs`,
    });
  } finally {
    viewers.kill();
    await server.stop();
  }
}

async function work(environment, server, key) {
  const before = { usage: await server.usage(), statements: await statements(environment) };
  await httpLoad({
    port: server.port,
    connections: CONNECTIONS,
    seconds: SECONDS,
    everyMs: (1000 * CONNECTIONS) / JOBS_PER_SECOND,
    next: () =>
      jsonRequest({ path: '/api/v1/jobs', key, body: { queue_name: 'watched', payload: {} } }),
  });
  const after = { usage: await server.usage(), statements: await statements(environment) };
  const cpu = ({ user, system }) => user + system;
  return {
    statements: after.statements - before.statements,
    cpuMs: (cpu(after.usage) - cpu(before.usage)) / 1000,
  };
}

async function statements({ client }) {
  const { rows } = await client.query(
    'select coalesce(sum(calls), 0)::int as calls from pg_stat_statements',
  );
  return rows[0].calls;
}
