/** Story 11: what happens is told to a server of the customer's, signed, by whatever route it happened. */
import { eventually } from '@spooled/testing';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { hostKinds } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: { readonly event: string; readonly data: Readonly<Record<string, unknown>> };
}

describe.each(hostKinds)('webhooks, on %s', (kind) => {
  let world: World;
  let organization: Organization;
  let server: Server;
  const received: Received[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const body = JSON.parse(text) as Received['body'];
        received.push({ path: request.url!, headers: request.headers, text, body });
        response.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    world = await World.start(kind);
    organization = await world.organization('webhooks');
  }, 60_000);
  afterAll(async () => {
    await world?.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }, 30_000);

  it('tell of jobs, queues, workers and schedules, and of the end of a job to its own URL', async () => {
    const { client } = organization;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const events = [
      ...['job.created', 'job.started', 'job.completed', 'job.cancelled', 'queue.paused'],
      ...['queue.resumed', 'worker.registered', 'worker.deregistered', 'schedule.triggered'],
    ];
    const created = await client.post<{ id: string }>('/outgoing-webhooks', {
      name: 'story',
      url: `${url}/endpoint`,
      events,
      secret: 'secret',
    });
    created.expectStatus(201);

    const hooked = await client.post<{ id: string }>('/jobs', {
      queue_name: 'emails',
      payload: {},
      completion_webhook: `${url}/completion`,
      completion_webhook_secret: 'of the job',
    });
    hooked.expectStatus(201);
    await client.work('emails', { sent: true });
    const other = await client.enqueue('emails');
    (await client.delete(`/jobs/${other}`)).expectStatus(204);
    (await client.post('/queues/emails/pause', { reason: 'deploy' })).expectStatus(200);
    (await client.post('/queues/emails/resume')).expectStatus(200);
    const worker = await client.post<{ id: string }>('/workers/register', {
      queue_name: 'emails',
      hostname: 'host-1',
    });
    (await client.post(`/workers/${worker.body.id}/deregister`)).expectStatus(204);
    const schedule = await client.post<{ id: string }>('/schedules', {
      name: 'yearly',
      cron_expression: '0 0 1 1 *',
      queue_name: 'reports',
      payload_template: {},
    });
    schedule.expectStatus(201);
    const triggered = await client.post<{ job_id: string }>(
      `/schedules/${schedule.body.id}/trigger`,
    );
    triggered.expectStatus(200);

    const told = (path: string): Received[] => received.filter((each) => each.path === path);
    await eventually(
      () => {
        // The third job is the schedule's.
        expect(
          told('/endpoint')
            .map(({ body }) => body.event)
            .sort(),
        ).toEqual([...events, 'job.created', 'job.created'].sort());
        expect(told('/completion')).toHaveLength(1);
      },
      { timeoutMs: 10_000 },
    );
    expect(told('/completion')[0]!.body).toMatchObject({
      event: 'job.completed',
      data: { job_id: hooked.body.id, queue_name: 'emails', result: { sent: true } },
    });
    for (const [path, secret] of [
      ['/endpoint', 'secret'],
      ['/completion', 'of the job'],
    ] as const) {
      for (const { headers, text } of told(path)) {
        const signed = `${String(headers['x-spooled-timestamp'])}.${text}`;
        const signature = createHmac('sha256', secret).update(signed).digest('hex');
        expect(headers['x-spooled-signature']).toBe(`sha256=${signature}`);
      }
    }
    const fire = told('/endpoint').find(({ body }) => body.event === 'schedule.triggered');
    expect(fire!.body.data).toEqual({
      schedule_id: schedule.body.id,
      job_id: triggered.body.job_id,
      queue_name: 'reports',
    });
    const usage = await client.get<{ usage: { webhooks: { current: number } } }>(
      '/organizations/usage',
    );
    expect(usage.body.usage.webhooks.current).toBe(1);
  });
});
