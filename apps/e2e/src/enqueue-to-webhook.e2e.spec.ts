/** Story 11: what happens is told to a server of the customer's, signed, by whatever route it happened. */
import { eventually } from '@spooled/testing';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { hostKinds } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

const SIGNING_SECRET = 'canary-of-the-endpoint';
const JOB_SECRET = 'canary-of-the-job';
const GITHUB_SECRET = 'canary-of-github';

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
    for (const secret of [SIGNING_SECRET, JOB_SECRET, GITHUB_SECRET])
      world.host.secrets.add(secret);
  });
  afterAll(async () => {
    await world?.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

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
      secret: SIGNING_SECRET,
    });
    created.expectStatus(201);

    const hooked = await client.post<{ id: string }>('/jobs', {
      queue_name: 'emails',
      payload: {},
      completion_webhook: `${url}/completion`,
      completion_webhook_secret: JOB_SECRET,
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
    await eventually(() => {
      // The third job is the schedule's.
      expect(
        told('/endpoint')
          .map(({ body }) => body.event)
          .sort(),
      ).toEqual([...events, 'job.created', 'job.created'].sort());
      expect(told('/completion')).toHaveLength(1);
    });
    expect(told('/completion')[0]!.body).toMatchObject({
      event: 'job.completed',
      data: { job_id: hooked.body.id, queue_name: 'emails', result: { sent: true } },
    });
    for (const [path, secret] of [
      ['/endpoint', SIGNING_SECRET],
      ['/completion', JOB_SECRET],
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

  it('that come in become jobs, with the token and the secrets that the organization has set', async () => {
    const { id, client } = organization;
    const post = (path: string, headers: Record<string, string>, body: string) =>
      fetch(client.host.url(`/webhooks/${id}${path}`), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      });
    const custom = (token: string): Promise<Response> =>
      post(
        '/custom',
        { 'x-webhook-token': token },
        JSON.stringify({ queue_name: 'inbox', event_type: 'order.paid', payload: { order: 7 } }),
      );
    const { body: first } = await client.get<{ token: string }>('/organizations/webhook-token');
    world.host.secrets.add(first.token);
    const accepted = await custom(first.token);
    expect(accepted.status).toBe(200);
    const { job_id } = (await accepted.json()) as { job_id: string };
    expect(await client.job(job_id)).toMatchObject({
      queue_name: 'inbox',
      payload: { order: 7 },
      tags: { event_type: 'order.paid' },
    });
    const regenerated = await client.post<{ token: string }>(
      '/organizations/webhook-token/regenerate',
    );
    world.host.secrets.add(regenerated.body.token);
    expect((await custom(first.token)).status).toBe(401);
    expect((await custom(regenerated.body.token)).status).toBe(200);

    const push = JSON.stringify({ ref: 'refs/heads/main' });
    const signature = createHmac('sha256', GITHUB_SECRET).update(push).digest('hex');
    const github = (): Promise<Response> =>
      post(
        '/github',
        {
          'x-github-event': 'push',
          'x-github-delivery': 'delivery-1',
          'x-hub-signature-256': `sha256=${signature}`,
        },
        push,
      );
    expect((await github()).status).toBe(401);
    const settings = { github_webhook_secret: GITHUB_SECRET };
    (await client.put(`/organizations/${id}`, { settings })).expectStatus(200);
    const jobs = await eventually(async () => {
      const answers = await Promise.all([github(), github()]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      return Promise.all(
        answers.map((answer) => answer.json() as Promise<{ job_id: string; queue_name: string }>),
      );
    });
    expect(jobs[0]).toMatchObject({ queue_name: 'github-push' });
    expect(jobs[1]!.job_id).toBe(jobs[0]!.job_id);
  });
});
