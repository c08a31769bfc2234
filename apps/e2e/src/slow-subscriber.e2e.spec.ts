/** Story 7: a subscriber that stops reading is cut, can resume, and nobody else notices. */
import { connect, type Socket } from 'node:net';

import { eventually, onCleanUp, WsClient } from '@spooled/testing';

import type { Client } from './harness/client.js';
import { Follower } from './harness/follower.js';
import { hostKinds } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

/** Nearly the largest that an event still carries. */
const result = 'x'.repeat(27 * 1024);
const jobsPerRound = 50;

describe.each(hostKinds)('a subscriber that stops reading, on %s', (kind) => {
  let world: World;
  let organization: Organization;

  beforeAll(async () => {
    // Whoever begins to read again has time to hear why he was cut.
    world = await World.start(kind, {
      env: { REALTIME_SLOW_GRACE_MS: '500', REALTIME_CLOSE_GRACE_MS: '60000' },
    });
    organization = await world.organization('slow-subscriber');
  });
  afterAll(() => world?.stop(), 30_000);

  it('is cut over WebSocket and SSE, resumes where it was, and slows nobody', async () => {
    const { client, key } = organization;
    const { host } = world;
    const headers = { authorization: `Bearer ${key}` };
    const healthy = await Follower.sse(host, key);
    const prober = await WsClient.open(host.webSocketUrl('/ws?queue=probe'), { headers });
    const slow = await WsClient.open(host.webSocketUrl('/ws'), { headers });
    const deaf = await rawStream(host.url('/events'), key);
    slow.pause();

    const latencies: number[] = [];
    await eventually(
      async () => {
        await Promise.all([flood(client), probe(client, prober).then((ms) => latencies.push(ms))]);
        return (await slowConsumers()) >= 2;
      },
      { timeoutMs: 40_000, intervalMs: 0 },
    );
    for (let count = 0; count < 10; count++) latencies.push(await probe(client, prober));
    latencies.sort((a, b) => a - b);
    expect(latencies[Math.floor(latencies.length / 2)]).toBeLessThan(250);
    expect(latencies.at(-1)).toBeLessThan(2_000);

    slow.resume();
    expect(await slow.closed).toMatchObject({ code: 1013 });
    await endOfResponse(deaf);

    const last = await client.enqueue('last');
    await eventually(() =>
      expect(healthy.seen().at(-1)?.event.data).toMatchObject({ job_id: last }),
    );
    const ids = (socket: WsClient): string[] =>
      (socket.messages as { id?: string }[]).flatMap(({ id }) => id ?? []);
    const resume = host.webSocketUrl(`/ws?last_event_id=${ids(slow).at(-1)}`);
    const resumed = await WsClient.open(resume, { headers });
    await resumed.waitFor<{ data: { job_id?: string } }>(
      ({ data }) => data.job_id === last,
      20_000,
    );
    const seqs = [...ids(slow), ...ids(resumed)].map((id) => Number(id.split('-')[1]));
    expect(seqs).toEqual(healthy.seen().map(({ seq }) => seq));
    expect(healthy.connectionCount).toBe(1);
    expect(JSON.stringify(healthy.seen())).not.toContain('result_truncated');
    await healthy.stop();
  });

  async function slowConsumers(): Promise<number> {
    const text = await (await fetch(`${world.host.base('/events')}/metrics`)).text();
    const samples = text.matchAll(/^spooled_realtime_slow_consumers_total\S* (\d+)/gm);
    return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
  }
});

/** Many large events. */
async function flood(client: Client): Promise<void> {
  const jobs = Array.from({ length: jobsPerRound }, () => ({ payload: {} }));
  (await client.post('/jobs/bulk', { queue_name: 'flood', jobs })).expectStatus(200);
  const claimed = await client.claim('flood', { worker_id: 'flooder', limit: jobsPerRound });
  await Promise.all(
    claimed.map(async ({ id, lease_id }) => {
      const completion = { worker_id: 'flooder', lease_id, result };
      (await client.post(`/jobs/${id}/complete`, completion)).expectStatus(200);
    }),
  );
}

/** Milliseconds from an enqueue to its event. */
async function probe(client: Client, prober: WsClient): Promise<number> {
  const startedAt = performance.now();
  const id = await client.enqueue('probe');
  await prober.waitFor<{ data: { job_id?: string } }>(({ data }) => data.job_id === id);
  return performance.now() - startedAt;
}

/** Reads on to the last chunk of the response: the server ended it, it did not break. */
async function endOfResponse(socket: Socket): Promise<void> {
  let tail = '';
  socket.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString('latin1')).slice(-20)));
  socket.resume();
  await eventually(() => expect(tail).toMatch(/\r\n0\r\n\r\n$/));
}

/** A socket that asked for a stream and never reads the answer. */
async function rawStream(url: string, key: string): Promise<Socket> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), readableHighWaterMark: 1 } as never);
  onCleanUp(() => void socket.destroy());
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  socket.write(
    `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${key}\r\n\r\n`,
  );
  return socket.pause();
}
