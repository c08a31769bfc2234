/** Story 7: a subscriber that stops reading is cut, can resume, and nobody else notices. */
import { connect, type Socket } from 'node:net';

import { eventually, onCleanUp, WsClient } from '@spooled/testing';

import type { Client } from './harness/client.js';
import { Follower } from './harness/follower.js';
import { hostKinds } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

/** Nearly the largest that an event still carries. */
const result = 'x'.repeat(27 * 1024);
/** Less than what a connection may have outstanding, so that whoever reads is never slow, however long it takes. */
const jobsPerRound = 30;

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
  afterAll(() => world?.stop());

  it('is cut over WebSocket and SSE, resumes where it was, and slows nobody', async () => {
    const { client, key } = organization;
    const { host } = world;
    const headers = { authorization: `Bearer ${key}` };
    const healthy = await Follower.sse(host, key);
    const prober = await WsClient.open(host.webSocketUrl('/ws?queue=probe'), { headers });
    const slow = await WsClient.open(host.webSocketUrl('/ws'), { headers });
    const deaf = await rawStream(host.url('/events'), key);
    slow.pause();

    // Each probe arrives while the others are stuck.
    const round = async (): Promise<void> => {
      await flood(client);
      const id = await probe(client, prober);
      await eventually(() =>
        expect(healthy.seen().at(-1)?.event.data).toMatchObject({ job_id: id }),
      );
    };
    await eventually(
      async () => {
        await round();
        return (await slowConsumers()) >= 2;
      },
      { timeoutMs: 120_000, intervalMs: 0 },
    );
    await round();

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
    await resumed.waitFor<{ data: { job_id?: string } }>(({ data }) => data.job_id === last);
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

/** Resolves with the id of a new job when its event has arrived. */
async function probe(client: Client, prober: WsClient): Promise<string> {
  const id = await client.enqueue('probe');
  await prober.waitFor<{ data: { job_id?: string } }>(({ data }) => data.job_id === id);
  return id;
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
