import {
  jobsRpc,
  organizationsApi,
  plans,
  schedulesRpc,
  webhooksRpc,
  workersRpc,
  type PlanTier,
  type RpcSpec,
  type UsageInfo,
} from '@spooled/contracts';
import { Bus, isUnserved } from '@spooled/nats';
import { createLogger } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { ADMIN_KEY, TestService } from './setup.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(async () => {
  await service.stop();
});

const counted = {
  jobs: { jobsToday: 640, activeJobs: 10, queues: 1, workflows: 0 },
  workers: { total: 9, healthy: 1, counted: 2 },
  schedules: { schedules: 1 },
  webhooks: { webhooks: 1 },
};
type Part = keyof typeof counted;

const questions: Record<Part, RpcSpec> = {
  jobs: jobsRpc.usage,
  workers: workersRpc.summary,
  schedules: schedulesRpc.usage,
  webhooks: webhooksRpc.usage,
};

/** The other services, on a bus connection each. What they were asked comes with them. */
class Others {
  readonly asked: unknown[] = [];
  readonly #open: Bus[] = [];

  /** @param silent is there and never answers. */
  async play(parts: readonly Part[], silent?: Part): Promise<void> {
    for (const part of parts) {
      const bus = new Bus(
        { NATS_URL: service.nats.url, SERVICE_NAME: part },
        createLogger('test', 'silent'),
      );
      this.#open.push(bus);
      await bus.onModuleInit();
      bus.respond(questions[part], (question) => {
        this.asked.push([part, question]);
        return part === silent ? new Promise(() => undefined) : Promise.resolve(counted[part]);
      });
      await bus.connection.flush();
    }
  }

  /** Until nobody answers any more. */
  async stop(): Promise<void> {
    for (const bus of this.#open.splice(0)) await bus.onApplicationShutdown();
    const probe = { organizationId: '01970000-0000-7000-8000-000000000000', queueNames: null };
    await eventually(async () => {
      for (const question of Object.values(questions)) {
        const failure: unknown = await service.context
          .get(Bus)
          .request(question, probe)
          .catch((error: unknown) => error);
        expect(isUnserved(failure)).toBe(true);
      }
    });
  }
}

let others: Others;
beforeEach(() => {
  others = new Others();
});
afterEach(() => others.stop());

const everyone = Object.keys(counted) as Part[];

function read(credential: string) {
  return service.call<UsageInfo>('GET', '/organizations/usage', { credential });
}

describe('GET /organizations/usage', () => {
  it('is the plan, what is used of it, and what becomes scarce', async () => {
    await others.play(everyone);
    const { id, key } = await service.organization('free');
    const { status, body } = await read(key);
    expect(status).toBe(200);
    expect(body).toEqual({
      plan: 'free',
      plan_display_name: 'Free',
      limits: plans.free,
      usage: {
        jobs_today: { current: 640, limit: 1000, percentage: 64, is_disabled: false },
        active_jobs: { current: 10, limit: 10, percentage: 100, is_disabled: false },
        queues: { current: 1, limit: 2, percentage: 50, is_disabled: false },
        workers: { current: 2, limit: 1, percentage: 200, is_disabled: false },
        api_keys: { current: 1, limit: 2, percentage: 50, is_disabled: false },
        schedules: { current: 1, limit: 1, percentage: 100, is_disabled: false },
        workflows: { current: 0, limit: 0, percentage: null, is_disabled: true },
        webhooks: { current: 1, limit: 1, percentage: 100, is_disabled: false },
      },
      warnings: [
        ['jobs_today', 'warning'],
        ['active_jobs', 'critical'],
        ['queues', 'warning'],
        ['workers', 'critical'],
        ['api_keys', 'warning'],
        ['schedules', 'critical'],
        ['webhooks', 'critical'],
      ].map(([resource, severity]) => ({ resource, severity, message: expect.any(String) })),
    });
    expect(organizationsApi.usage.responses[200].parse(body)).toEqual(body);
    expect(others.asked).toEqual(
      expect.arrayContaining([
        ['jobs', { organizationId: id }],
        ['workers', { organizationId: id, queueNames: null }],
        ['schedules', { organizationId: id }],
        ['webhooks', { organizationId: id }],
      ]),
    );
  });

  it.each<[PlanTier, string[]]>([
    [
      'free',
      ['jobs_today', 'active_jobs', 'queues', 'workers', 'api_keys', 'schedules', 'webhooks'],
    ],
    ['starter', []],
    ['pro', []],
    ['enterprise', []],
  ])('on the plan %s warns of %j', async (tier, resources) => {
    await others.play(everyone);
    const { key } = await service.organization(tier);
    const { body } = await read(key);
    expect(body.limits).toEqual(plans[tier]);
    expect(body.warnings.map(({ resource }) => resource)).toEqual(resources);
  });

  it('counts the active keys', async () => {
    await others.play(everyone);
    const { id, key } = await service.organization('pro');
    const other = await service.key(id);
    await service.key(id, { queues: ['emails'] });
    const keys = async () => (await read(key)).body.usage.api_keys.current;
    expect(await keys()).toBe(3);
    await service.call('DELETE', `/api-keys/${other.id}`, { credential: key });
    expect(await keys()).toBe(2);
  });

  it('shows a change of plan and limits with the next request', async () => {
    await others.play(everyone);
    const { id, key } = await service.organization('free');
    await read(key);
    await service.call('PATCH', `/admin/organizations/${id}`, {
      body: { plan_tier: 'starter', custom_limits: { max_queues: null, max_workers: 0 } },
      adminKey: ADMIN_KEY,
    });
    expect((await read(key)).body).toMatchObject({
      plan: 'starter',
      limits: { ...plans.starter, max_queues: null, max_workers: 0 },
      usage: {
        queues: { limit: null, percentage: null, is_disabled: false },
        workers: { current: 2, limit: 0, percentage: null, is_disabled: true },
      },
      warnings: [],
    });
  });

  it('wants a key without queue scope', async () => {
    await others.play(everyone);
    const { id } = await service.organization();
    const { key } = await service.key(id, { queues: ['emails'] });
    const { status, body } = await read(key);
    expect([status, body]).toEqual([403, expect.objectContaining({ code: 'ACCESS_DENIED' })]);
  });

  it('has no webhooks where no service of webhooks is', async () => {
    await others.play(['jobs', 'workers', 'schedules']);
    const { key } = await service.organization();
    const { status, body } = await read(key);
    expect([status, body.usage.webhooks.current]).toEqual([200, 0]);
  });

  it.each(['jobs', 'workers', 'schedules'] as const)(
    'answers 503 while the service of %s is away, not a zero',
    async (missing) => {
      await others.play(everyone.filter((part) => part !== missing));
      const { key } = await service.organization();
      const { status, body, headers } = await read(key);
      expect([status, body]).toEqual([
        503,
        expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }),
      ]);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      await others.play([missing]);
      expect((await read(key)).status).toBe(200);
    },
  );

  it('answers 503 while the service of webhooks is there and does not answer', async () => {
    await others.play(everyone, 'webhooks');
    await service.shutDown();
    await service.boot({ BUS_MIN_WAIT_MS: '0' });
    const { key } = await service.organization();
    expect((await read(key)).status).toBe(503);
  });
});
