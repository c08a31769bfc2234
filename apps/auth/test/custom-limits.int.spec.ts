import { Plans, Principals } from '@spooled/access';
import { authRpc, planLimits, plans, type Organization, type PlanLimits } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database, sql } from '@spooled/postgres';
import { createLogger } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { AuthChanges } from '../src/credentials/auth-changes.js';
import { ADMIN_KEY, TestService } from './setup.js';

let service: TestService;
/** What any other service sees of auth. */
let elsewhere: { bus: Bus; principals: Principals; plans: Plans };
/** Organizations whose change it was told of; what it remembers would end by itself as well, some seconds later. */
const told: string[] = [];

beforeAll(async () => {
  service = await TestService.start();
  const logger = createLogger('test', 'silent');
  const bus = new Bus(
    { NATS_URL: service.nats.url, SERVICE_NAME: 'elsewhere', BUS_MIN_WAIT_MS: 30_000 },
    logger,
  );
  await bus.onModuleInit();
  elsewhere = { bus, principals: new Principals(bus, logger), plans: new Plans(bus) };
  elsewhere.principals.onModuleInit();
  elsewhere.plans.onModuleInit();
  elsewhere.principals.onChange(({ organizationId }) => told.push(organizationId));
  await bus.connection.flush();
});
afterAll(async () => {
  await elsewhere.bus.onApplicationShutdown();
  await service.stop();
});

function change(id: string, body: object) {
  return service.call<Organization>('PATCH', `/admin/organizations/${id}`, {
    body,
    adminKey: ADMIN_KEY,
  });
}

/** The limits of an organization as the other services know them, from the caller's key and without. */
async function seenElsewhere(id: string, key: string): Promise<(PlanLimits | undefined | null)[]> {
  const principal = await elsewhere.principals.resolve(key);
  return [principal?.plan, await elsewhere.plans.of(id)];
}

/** Waits until the others see the limits, because they were told of so many changes. */
async function expectElsewhere(
  { id, key }: { id: string; key: string },
  limits: PlanLimits,
  changes: number,
): Promise<void> {
  await eventually(async () => {
    expect(told.filter((each) => each === id)).toHaveLength(changes);
    expect(await seenElsewhere(id, key)).toEqual([limits, limits]);
  });
}

type Row = keyof PlanLimits;
const rows = (Object.keys(planLimits.shape) as Row[]).filter(
  (row) => row !== 'tier' && row !== 'display_name',
);

describe('custom limits', () => {
  it.each(rows)(
    'of %s hold everywhere from the next request on, until null clears them',
    async (row) => {
      const { id, key } = await service.organization('starter');
      expect(await seenElsewhere(id, key)).toEqual([plans.starter, plans.starter]);

      const { status, body } = await change(id, { custom_limits: { [row]: 7 } });
      expect([status, body.custom_limits]).toEqual([200, { [row]: 7 }]);
      await expectElsewhere({ id, key }, { ...plans.starter, [row]: 7 }, 1);

      await change(id, { custom_limits: null });
      await expectElsewhere({ id, key }, plans.starter, 2);
    },
  );

  it('outlast a change of the plan, and are replaced as a whole', async () => {
    const { id, key } = await service.organization('free');
    await change(id, { custom_limits: { max_queues: 7, max_workers: null } });
    await change(id, { plan_tier: 'pro' });
    const kept = { ...plans.pro, max_queues: 7, max_workers: null };
    await expectElsewhere({ id, key }, kept, 2);
    await change(id, { custom_limits: { max_schedules: 1 } });
    await expectElsewhere({ id, key }, { ...plans.pro, max_schedules: 1 }, 3);
  });

  it('bound the requests of the organization', async () => {
    const { id, key } = await service.organization('free');
    const limit = async () =>
      (await service.call('GET', '/organizations', { credential: key })).headers.get(
        'x-ratelimit-limit',
      );
    expect(await limit()).toBe('10');
    await change(id, { custom_limits: { rate_limit_burst: 77 } });
    expect(await limit()).toBe('77');
  });

  it.each([
    ['more', { max_api_keys: 3 }, [201, 201, 429]],
    ['fewer', { max_api_keys: 1 }, [429]],
    ['any number', { max_api_keys: null }, [201, 201, 201, 201]],
    ['none', { max_api_keys: 0 }, [403]],
    ['those of the plan again', null, [201, 429]],
  ])('allow keys: %s', async (_what, limits, expected) => {
    const { id, key } = await service.organization('free');
    await change(id, { custom_limits: { max_api_keys: 9 } });
    await change(id, { custom_limits: limits });
    const statuses: number[] = [];
    for (const _ of expected) {
      const body = { name: 'Key' };
      statuses.push((await service.call('POST', '/api-keys', { credential: key, body })).status);
    }
    expect(statuses).toEqual(expected);
  });
});

describe('a deleted organization', () => {
  const remove = sql(
    'test.delete-organization',
    `update auth.organization set plan_tier = 'deleted', deleted_at = now() where id = $1`,
  );

  it('grants nothing any more, whatever the credential, and has no limits', async () => {
    const { id, key } = await service.organization();
    const { access_token, refresh_token } = await service.login(key);
    const made = await service.call<{ ticket: string }>('POST', '/auth/tickets', {
      credential: key,
    });
    for (const credential of [key, access_token]) {
      expect((await service.call('GET', '/organizations', { credential })).status).toBe(200);
    }
    await service.context.get(Database).query([id], remove, [id]);
    await service.context.get(AuthChanges).organization(id);
    for (const credential of [key, access_token]) {
      const { status, body } = await service.call('GET', '/organizations', { credential });
      expect([status, body]).toEqual([401, expect.objectContaining({ code: 'UNAUTHORIZED' })]);
    }
    const { ticket } = made.body;
    expect(await elsewhere.bus.request(authRpc.resolve, { credential: ticket })).toEqual({
      principal: null,
    });
    expect((await service.call('POST', '/auth/login', { body: { api_key: key } })).status).toBe(
      401,
    );
    const refreshed = await service.call('POST', '/auth/refresh', { body: { refresh_token } });
    expect(refreshed.status).toBe(401);
    expect(await elsewhere.plans.of(id)).toBeNull();
    expect((await change(id, { custom_limits: null })).status).toBe(404);
  });

  it.each([
    ['the tier without the time', `plan_tier = 'deleted'`],
    ['the time without the tier', 'deleted_at = now()'],
  ])('cannot be said by %s alone', async (_what, half) => {
    const { id } = await service.organization();
    const halfway = sql(
      `test.delete-half ${half}`,
      `update auth.organization set ${half} where id = $1`,
    );
    await expect(service.context.get(Database).query([id], halfway, [id])).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
    });
  });
});
