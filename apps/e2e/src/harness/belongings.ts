/** Everything that an organization may have when the release below it changes, and whether it is still right afterwards. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import type { ClaimedJob, ScheduleRun, SessionGrant, WorkflowDetail } from '@spooled/contracts';
import { eventually, onCleanUp } from '@spooled/testing';

import { Client, failuresOf } from './client.js';
import type { Entrance } from './host.js';
import type { Organization } from './world.js';

interface Told {
  readonly path: string;
  readonly id: string;
  readonly jobId: unknown;
}

const workerId = 'old-worker';
const dayMs = 24 * 60 * 60 * 1000;

export class Belongings {
  /** What webhooks told so far. */
  private readonly told: Told[] = [];
  private readonly problems: string[] = [];
  private readonly client: Client;
  private isHere = true;
  private heartbeats: Promise<void> = Promise.resolve();

  private readonly ids = new Map<string, string>();
  private held: ClaimedJob | undefined;
  private session: SessionGrant | undefined;

  /** Its worker reports through the entrance from now until `check`. */
  static async leave({ key }: Organization, entrance: Entrance): Promise<Belongings> {
    const belongings = new Belongings(key, entrance);
    const url = await belongings.receive();
    await belongings.leaveJobs(url);
    await belongings.leaveSchedule(url);
    await belongings.leaveWorker();
    return belongings;
  }

  private constructor(
    private readonly key: string,
    entrance: Entrance,
  ) {
    this.client = new Client(entrance, { authorization: `Bearer ${key}` });
    onCleanUp(() => void (this.isHere = false));
  }

  /** That all of it is there and works to its end. */
  async check(): Promise<void> {
    await this.checkWorker();
    await this.checkSession();
    await this.checkSchedule();
    await this.checkJobs();
    await this.checkDeadLetters();
    await this.checkWorkflow();
    expect(this.problems).toEqual([]);
  }

  private async leaveJobs(url: string): Promise<void> {
    const { client } = this;
    await client.enqueue('old-held');
    [this.held] = await client.claim('old-held', {
      worker_id: workerId,
      lease_duration_secs: 3600,
    });
    const hooked = { queue_name: 'old-pending', payload: {}, completion_webhook: `${url}/ended` };
    this.ids.set('hooked', await created(client, '/jobs', hooked));
    const once = { idempotency_key: 'once' };
    this.ids.set('once', await client.enqueue('old-pending', once));
    const later = { scheduled_at: new Date(Date.now() + dayMs).toISOString() };
    this.ids.set('later', await client.enqueue('old-later', later));
    const soon = { scheduled_at: new Date(Date.now() + 30_000).toISOString() };
    this.ids.set('soon', await client.enqueue('old-soon', soon));
    for (const name of ['dead', 'buried']) {
      this.ids.set(name, await client.enqueue('old-dead', { max_retries: 0 }));
      const [job] = await client.claim('old-dead', { worker_id: workerId });
      const failure = { worker_id: workerId, lease_id: job?.lease_id, error: 'as planned' };
      (await client.post(`/jobs/${job?.id}/fail`, failure)).expectStatus(200);
    }
    const jobs = [
      { key: 'first', queue_name: 'old-steps', payload: {} },
      { key: 'second', queue_name: 'old-steps', payload: {}, depends_on: ['first'] },
      { key: 'third', queue_name: 'old-steps', payload: {}, depends_on: ['second'] },
    ];
    const workflow = await client.post<{ workflow_id: string }>('/workflows', {
      name: 'old',
      jobs,
    });
    workflow.expectStatus(200);
    this.ids.set('workflow', workflow.body.workflow_id);
    await client.work('old-steps');
    await client.enqueue('old-paused');
    (await client.post('/queues/old-paused/pause', { reason: 'release' })).expectStatus(200);
    const login = await client.post<SessionGrant>('/auth/login', { api_key: this.key });
    login.expectStatus(200);
    this.session = login.body;
  }

  /** Each fire is told to a webhook. */
  private async leaveSchedule(url: string): Promise<void> {
    const webhook = { name: 'old', url: `${url}/fired`, events: ['schedule.triggered'] };
    await created(this.client, '/outgoing-webhooks', webhook);
    const schedule = {
      name: 'old',
      cron_expression: '*/5 * * * * *',
      queue_name: 'old-fires',
      payload_template: {},
    };
    this.ids.set('schedule', await created(this.client, '/schedules', schedule));
    await eventually(() => expect(this.told.length).toBeGreaterThan(0));
  }

  private async leaveWorker(): Promise<void> {
    const worker = { worker_id: workerId, queue_name: 'old-held', hostname: 'old' };
    await created(this.client, '/workers/register', worker);
    this.heartbeats = this.beat();
  }

  private async beat(): Promise<void> {
    while (this.isHere) {
      const report = { current_jobs: 1 };
      const call = this.client.post(`/workers/${workerId}/heartbeat`, report);
      for (const what of await failuresOf(call)) this.problems.push(`a heartbeat got ${what}`);
      await delay(500);
    }
  }

  private async checkWorker(): Promise<void> {
    this.isHere = false;
    await this.heartbeats;
    const { body } = await this.client.get<{ status: string }>(`/workers/${workerId}`);
    expect(body).toMatchObject({ status: 'healthy', current_jobs: 1, hostname: 'old' });
    // Its lease is the one that it was given.
    const completion = { worker_id: workerId, lease_id: this.held?.lease_id, result: 'old' };
    (await this.client.post(`/jobs/${this.held?.id}/complete`, completion)).expectStatus(200);
    (await this.client.post(`/workers/${workerId}/deregister`)).expectStatus(204);
  }

  private async checkSession(): Promise<void> {
    const { access_token: token = '', refresh_token } = this.session ?? {};
    const session = new Client(this.client.host, { authorization: `Bearer ${token}` });
    (await session.get('/auth/me')).expectStatus(200);
    (await this.client.post('/auth/refresh', { refresh_token })).expectStatus(200);
  }

  /** Each fire made a job, and was told under one id, whoever did either. */
  private async checkSchedule(): Promise<void> {
    const path = `/schedules/${this.ids.get('schedule')}`;
    (await this.client.post(`${path}/pause`)).expectStatus(200);
    await eventually(async () => {
      const { body } = await this.client.get<ScheduleRun[]>(`${path}/history?limit=500`);
      expect(new Set(body.map(({ status }) => status))).toEqual(new Set(['completed']));
      const told = this.told.filter(({ path }) => path === '/fired');
      const jobIds = new Set(told.map(({ jobId }) => jobId));
      expect(jobIds).toEqual(new Set(body.map(({ job_id }) => job_id)));
      expect(new Set(told.map(({ id }) => id)).size).toBe(jobIds.size);
    });
  }

  private async checkJobs(): Promise<void> {
    const { client, ids } = this;
    const once = { queue_name: 'old-pending', payload: {}, idempotency_key: 'once' };
    const again = await client.post<{ id: string }>('/jobs', once);
    expect(again.body.id).toBe(ids.get('once'));
    for (let left = 2; left > 0; left--) await client.work('old-pending');
    const hooked = ids.get('hooked') ?? '';
    await eventually(() =>
      expect(this.told.find(({ path }) => path === '/ended')?.jobId).toBe(hooked),
    );
    await eventually(() => client.work('old-soon'));
    const later = ids.get('later') ?? '';
    expect((await client.job(later)).status).toBe('scheduled');
    (await client.delete(`/jobs/${later}`)).expectStatus(204);
    expect(await client.claim('old-paused', { worker_id: workerId })).toEqual([]);
    (await client.post('/queues/old-paused/resume')).expectStatus(200);
    await client.work('old-paused');
    for (const name of ['once', 'hooked', 'soon'])
      expect((await client.job(ids.get(name) ?? '')).status).toBe('completed');
  }

  private async checkDeadLetters(): Promise<void> {
    const { client, ids } = this;
    const letters = await client.get<{ id: string }[]>('/jobs/dlq?queue_name=old-dead');
    expect(letters.body.map(({ id }) => id).sort()).toEqual(
      [ids.get('dead'), ids.get('buried')].sort(),
    );
    const retried = await client.post('/jobs/dlq/retry', { job_ids: [ids.get('dead')] });
    retried.expectStatus(200);
    await client.work('old-dead');
    expect((await client.job(ids.get('dead') ?? '')).status).toBe('completed');
    expect((await client.job(ids.get('buried') ?? '')).status).toBe('deadletter');
  }

  private async checkWorkflow(): Promise<void> {
    for (let left = 2; left > 0; left--) await eventually(() => this.client.work('old-steps'));
    const path = `/workflows/${this.ids.get('workflow')}`;
    const { body } = await this.client.get<WorkflowDetail>(path);
    expect(body).toMatchObject({ status: 'completed', completed_jobs: 3 });
  }

  /** @returns where webhooks may be sent. */
  private async receive(): Promise<string> {
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const body = JSON.parse(text) as { id: string; data: { job_id: unknown } };
        this.told.push({ path: request.url ?? '', id: body.id, jobId: body.data.job_id });
        response.end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanUp(() => {
      server.close();
      server.closeAllConnections();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
}

/** The id of what a call made. */
async function created(client: Client, path: string, body: unknown): Promise<string> {
  const answer = await client.post<{ id: string }>(path, body);
  answer.expectStatus(201);
  return answer.body.id;
}
