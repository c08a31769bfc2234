import { freePort } from '@spooled/embedded';
import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { createOrganization, startServer } from './environment.mjs';

const CLIENTS = 5000;
const PROCESSES = 2;
const BACK_SECONDS = 60;
const STATEMENTS = 0.05;

/** Thousands of clients lose their connections at once, then their server: how soon they are back, and at what cost. */
export async function benchStorm(environment, report) {
  const settings = {
    PORT: String(await freePort()),
    REALTIME_MAX_WS_PER_ORGANIZATION: String(CLIENTS),
  };
  let server = await startServer(environment, settings);
  const { organizationId, key } = await createOrganization(server, `storm-${Date.now()}`);
  const crowd = new Crowd(`ws://127.0.0.1:${server.port}/api/v1/ws?api_key=${key}`);
  const storm = async (title, begin) => {
    const [readsBefore, { connections: before }] = [await reads(environment), await crowd.state()];
    const beganAt = performance.now();
    await begin();
    await enqueue(server, key, 20);
    const { wrong, connections } = await crowd.isBack(await newest(environment, organizationId));
    const seconds = (performance.now() - beganAt) / 1000;
    const cost = ((await reads(environment)) - readsBefore) / (connections - before);
    report(
      `${CLIENTS} WebSockets ${title}`,
      {
        note: `all back with everything after ${seconds.toFixed(1)} s, ${cost.toFixed(4)} statements each, ${wrong} events missed or repeated`,
      },
      [
        [`of ${BACK_SECONDS} s (inverse)`, BACK_SECONDS / seconds, 1],
        [`of ${STATEMENTS} statements (inverse)`, STATEMENTS / cost, 1],
        ['nothing missed or repeated', wrong === 0 ? 1 : 0, 1],
      ],
    );
  };
  try {
    await crowd.isOpen();
    await enqueue(server, key, 1);
    await crowd.isBack(await newest(environment, organizationId));
    await storm('cut at once', () => crowd.cut());
    await storm('whose server is restarted', async () => {
      await server.stop();
      server = await startServer(environment, settings);
    });
  } finally {
    crowd.end();
    await server.stop();
  }
}

class Crowd {
  #children = Array.from({ length: PROCESSES }, () =>
    fork(new URL('./storm-clients.mjs', import.meta.url)),
  );

  constructor(url) {
    for (const child of this.#children) child.send({ url, count: CLIENTS / PROCESSES });
  }

  cut() {
    for (const child of this.#children) child.send('cut');
  }

  end() {
    for (const child of this.#children) child.kill();
  }

  async state() {
    const states = await Promise.all(this.#children.map(stateOf));
    const sum = (of) => states.reduce((total, state) => total + of(state), 0);
    return {
      open: sum(({ open }) => open),
      connections: sum(({ connections }) => connections),
      wrong: sum(({ wrong }) => wrong),
      least: Math.min(...states.map(({ least }) => least)),
    };
  }

  isOpen() {
    return this.#until(({ open }) => open === CLIENTS);
  }

  /** All are there, and have everything up to a sequence. */
  isBack(sequence) {
    return this.#until(({ open, least }) => open === CLIENTS && least >= sequence);
  }

  async #until(isSo) {
    const deadline = performance.now() + 3 * BACK_SECONDS * 1000;
    for (;;) {
      const state = await this.state();
      if (isSo(state)) return state;
      if (performance.now() > deadline) throw new Error(`still ${JSON.stringify(state)}`);
      await delay(100);
    }
  }
}

function stateOf(child) {
  return new Promise((resolve) => {
    child.once('message', ({ state }) => resolve(state));
    child.send('state');
  });
}

async function enqueue({ port }, key, count) {
  for (let index = 0; index < count; index += 1) {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ queue_name: 'storm', payload: { index } }),
    });
    if (!response.ok) throw new Error(`enqueue: ${response.status} ${await response.text()}`);
  }
}

async function newest({ client }, organizationId) {
  const { rows } = await client.query(
    'select last_seq::int as seq from events.position where organization_id = $1',
    [organizationId],
  );
  return rows[0].seq;
}

/** Statements so far by which streams are opened and resumed: reads of the event log and of credentials. */
async function reads({ client }) {
  await client.query('create extension if not exists pg_stat_statements');
  const { rows } = await client.query(
    `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements
     where query !~* '(insert|update|delete|pg_stat)'
       and (query like '%events.log%' or query like '%events.position%' or query like '%auth.%')`,
  );
  return rows[0].calls;
}
