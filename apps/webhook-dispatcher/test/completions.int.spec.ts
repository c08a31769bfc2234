import { jobsRpc, type StoredEvent } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { createLogger } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { createHmac, randomUUID } from 'node:crypto';
import { Receiver } from './receiver.js';
import { completed, World } from './setup.js';

/** job-api, as far as it knows of completion webhooks. */
class JobApi {
  readonly hooks = new Map<string, { url: string; secret: string | null }>();
  readonly organizations = new Map<string, number>();
  /** Job ids of each question. */
  readonly asked: string[][] = [];
  #bus: Bus | undefined;

  async start(natsUrl: string): Promise<void> {
    this.#bus = new Bus(
      { NATS_URL: natsUrl, SERVICE_NAME: 'job-api' },
      createLogger('t', 'silent'),
    );
    await this.#bus.onModuleInit();
    this.#bus.respond(jobsRpc.completionWebhookOrganizations, async ({ after, limit }) => ({
      organizations: [...this.organizations]
        .map(([organizationId, newestSeq]) => ({ organizationId, newestSeq }))
        .filter(({ organizationId }) => after === null || organizationId > after)
        .sort((a, b) => (a.organizationId < b.organizationId ? -1 : 1))
        .slice(0, limit),
    }));
    this.#bus.respond(jobsRpc.completionWebhooks, async ({ organizationId, jobIds }) => {
      this.asked.push(jobIds);
      if (!this.organizations.has(organizationId)) return { webhooks: [] };
      return {
        webhooks: jobIds.flatMap((jobId) => {
          const hook = this.hooks.get(jobId);
          return hook === undefined ? [] : [{ jobId, ...hook }];
        }),
      };
    });
  }

  async stop(): Promise<void> {
    await this.#bus?.onApplicationShutdown();
    this.#bus = undefined;
  }
}

let world: World;
let jobApi: JobApi;
let receiver: Receiver;
beforeAll(async () => {
  world = await World.setup({ instances: 2 });
});
afterAll(() => world.stop());
beforeEach(async () => {
  jobApi = new JobApi();
  await jobApi.start(world.nats.url);
  receiver = await Receiver.start();
});
afterEach(() => jobApi.stop());

const RECOVERY = { timeoutMs: 60_000 };
const idOf = ({ data }: StoredEvent): string => ('job_id' in data ? data.job_id : '');

/** A job of an organization that has a completion webhook, as it ends. */
function hooked(
  organizationId: string,
  event: StoredEvent,
  secret: string | null = null,
  newestSeq = 0,
): StoredEvent {
  jobApi.hooks.set(idOf(event), { url: receiver.url, secret });
  if (!jobApi.organizations.has(organizationId))
    jobApi.organizations.set(organizationId, newestSeq);
  return event;
}

const failed = (willRetry: boolean): StoredEvent => ({
  type: 'JobFailed',
  data: {
    job_id: randomUUID(),
    queue_name: 'emails',
    error: 'boom',
    retry_count: 1,
    timestamp: new Date().toISOString(),
    rev: 3,
    will_retry: willRetry,
    worker_id: 'w-1',
  },
});

describe('the completion webhook of a job', () => {
  it('is told once when the job completes or becomes a dead letter, and never of other jobs', async () => {
    const organizationId = randomUUID();
    const good = hooked(organizationId, completed('sent'), 'secret');
    const bad = hooked(organizationId, failed(false));
    const again = hooked(organizationId, failed(true));
    await world.tell(organizationId, completed('other'), again, good);
    await world.tell(organizationId, bad);
    await eventually(() => expect(receiver.received).toHaveLength(2), RECOVERY);
    const [first, second] = [...receiver.received].sort((a, b) =>
      a.body.event < b.body.event ? -1 : 1,
    );
    expect(first!.body).toEqual({
      id: first!.headers['webhook-id'],
      event: 'job.completed',
      created_at: expect.any(String),
      data: { job_id: idOf(good), queue_name: 'emails', status: 'completed', result: 'sent' },
    });
    expect(first!.headers['x-spooled-signature']).toBe(
      `sha256=${createHmac('sha256', 'secret')
        .update(`${first!.headers['x-spooled-timestamp'] as string}.${first!.text}`)
        .digest('hex')}`,
    );
    expect(second!.body).toMatchObject({
      event: 'job.failed',
      data: { job_id: idOf(bad), status: 'deadletter', error: 'boom' },
    });
    expect(second!.headers).not.toHaveProperty('x-spooled-signature');
    const { rows } = await world.owner.query<{ url: string; secret: Buffer | null }>(
      'select url, secret from webhooks.delivery where organization_id = $1',
      [organizationId],
    );
    expect(rows).toHaveLength(2);
    for (const { secret } of rows) expect(String(secret)).not.toContain('secret');
  });

  it('is attempted again like any delivery', async () => {
    const organizationId = randomUUID();
    receiver.script(500);
    await world.tell(organizationId, hooked(organizationId, completed()));
    await eventually(() => expect(receiver.received).toHaveLength(2), RECOVERY);
    expect(new Set(receiver.ids()).size).toBe(1);
    expect(receiver.received[1]!.headers['x-spooled-delivery-attempt']).toBe('2');
  });

  it('is not told of what happened before the first job that had one', async () => {
    const organizationId = randomUUID();
    const before = completed('before');
    await world.tell(organizationId, before);
    await world.tell(organizationId, hooked(organizationId, completed('after'), null, 1));
    jobApi.hooks.set(idOf(before), { url: receiver.url, secret: null });
    await eventually(() => expect(receiver.received).toHaveLength(1), RECOVERY);
    expect(receiver.received[0]!.body.data['result']).toBe('after');
  });

  it('waits for a job-api that is away, while endpoints are told', async () => {
    const { organizationId, credential } = world.key();
    const endpoint = await Receiver.start();
    await world.make(credential, { url: endpoint.url });
    await world.tell(organizationId, hooked(organizationId, completed(0)));
    await eventually(() => expect(receiver.received).toHaveLength(1), RECOVERY);
    await jobApi.stop();
    for (const mark of [1, 2, 3])
      await world.tell(organizationId, hooked(organizationId, completed(mark)));
    await eventually(() => expect(endpoint.received).toHaveLength(4));
    expect(receiver.received).toHaveLength(1);
    await jobApi.start(world.nats.url);
    await eventually(() => expect(receiver.received).toHaveLength(4), RECOVERY);
  });

  it('costs organizations without one no question', async () => {
    const { organizationId, credential } = world.key();
    await world.make(credential, { url: receiver.url });
    const event = completed();
    await world.tell(organizationId, event);
    await eventually(() => expect(receiver.received).toHaveLength(1));
    expect(jobApi.asked.flat()).not.toContain(idOf(event));
  });
});
