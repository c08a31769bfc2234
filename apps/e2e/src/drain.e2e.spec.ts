/** Story 9: SIGTERM ends streams with a word, lets requests finish, and the process leaves with code 0. */
import { request } from 'node:http';

import { collectSse, eventually, WsClient } from '@spooled/testing';

import { hostKinds } from './harness/host.js';
import { World } from './harness/world.js';

/** The longest that a claim may wait. */
const waitSecs = 20;

describe.each(hostKinds)('a drain, on %s', (kind) => {
  let world: World;

  beforeAll(async () => {
    world = await World.start(kind);
  });
  afterAll(() => world?.stop());

  it('closes streams, answers what is under way, and leaves nothing behind', async () => {
    const { client, key } = await world.organization('drain');
    const { host } = world;
    const headers = { authorization: `Bearer ${key}` };
    const socket = await WsClient.open(host.webSocketUrl('/ws'), { headers });
    const stream = await collectSse(host.url('/events'), { headers });
    const ofQueue = await collectSse(host.url('/events/queues/drain'), { headers });
    const before = await client.enqueue('drain');
    await socket.waitFor<{ type: string }>(({ type }) => type === 'JobCreated');
    const askedAt = performance.now();
    const waiting = client.post('/jobs/claim', {
      queue_name: 'empty',
      worker_id: 'patient',
      wait_secs: waitSecs,
    });
    // It has looked once, and waits.
    await eventually(async () => {
      const metrics = await (await fetch(`${host.base('/jobs')}/metrics`)).text();
      expect(metrics).toMatch(
        /^spooled_lease_action_duration_seconds_count\{action="claim"\} [1-9]/m,
      );
    });
    const underWay = await beginRequest(host.url('/jobs'), headers);

    host.signal('SIGTERM');
    expect(await socket.closed).toMatchObject({ code: 1001 });
    await Promise.all([stream.ended, ofQueue.ended]);
    const claim = await waiting;
    claim.expectStatus(200);
    expect(claim.body).toEqual({ jobs: [] });
    expect(performance.now() - askedAt).toBeLessThan(waitSecs * 1000);
    const created = await underWay.finish({ queue_name: 'drain', payload: {} });
    expect(created.status).toBe(201);
    for (const exit of await host.exits()) expect(exit).toEqual({ code: 0, signal: null });
    for (const base of host.bases()) await expect(fetch(`${base}/health/live`)).rejects.toThrow();

    await host.restartAll();
    const ids = [before, (created.body as { id: string }).id];
    expect((await client.statuses(ids)).size).toBe(2);
  });
});

/** A POST whose head the server has taken and whose body it waits for. */
async function beginRequest(url: string, headers: Readonly<Record<string, string>>) {
  const post = request(url, {
    method: 'POST',
    headers: {
      ...headers,
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
      expect: '100-continue',
    },
  });
  const answered = new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    post.once('error', reject);
    post.once('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }),
      );
    });
  });
  answered.catch(() => undefined);
  await new Promise<void>((resolve, reject) => {
    post.once('continue', resolve);
    post.once('error', reject);
    post.flushHeaders();
  });
  return {
    finish(body: unknown) {
      post.end(JSON.stringify(body));
      return answered;
    },
  };
}
