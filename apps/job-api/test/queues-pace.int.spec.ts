import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { ClaimedJob } from '@spooled/contracts';
import { HttpServer } from '@spooled/http';
import { AppModule } from '../src/app.module.js';
import { World, type Tenant } from './setup.js';

let world: World;
let second: INestApplicationContext;
beforeAll(async () => {
  world = await World.setup();
  second = await NestFactory.createApplicationContext(AppModule, {
    logger: false,
    abortOnError: false,
  });
});
afterAll(async () => {
  await second.close();
  await world.stop();
});

/** What a busy machine still serves one by one. */
const RATE = 20;
const SECONDS = 5;

interface Claim {
  readonly at: number;
  readonly ids: readonly string[];
}

/** Claims at one of the two instances. */
async function claimAt(
  room: INestApplicationContext,
  { credential }: Tenant,
  body: object,
): Promise<ClaimedJob[]> {
  const response = await fetch(`http://127.0.0.1:${room.get(HttpServer).port}/api/v1/jobs/claim`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${credential}` },
    body: JSON.stringify({ queue_name: 'emails', ...body }),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { jobs: ClaimedJob[] }).jobs;
}

/**
 * Eight pollers at two instances, each asking again as soon as it was answered, until the time from the first job on is
 * over. Answers what they got in that time.
 */
async function poll(tenant: Tenant, ms: number, body: object): Promise<Claim[]> {
  const claims: Claim[] = [];
  const isOver = (at: number) => claims.length > 0 && at - claims[0]!.at >= ms;
  const poller = async (index: number): Promise<void> => {
    const room = index % 2 === 0 ? world.context : second;
    while (!isOver(performance.now())) {
      const jobs = await claimAt(room, tenant, { worker_id: `w-${index}`, ...body });
      const at = performance.now();
      if (jobs.length > 0 && !isOver(at)) claims.push({ at, ids: jobs.map(({ id }) => id) });
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, index) => poller(index)));
  return claims;
}

async function limitedQueue(rate_limit: number, jobs: number): Promise<Tenant> {
  const tenant = world.key();
  await tenant.call('PUT', '/queues/emails/config', { rate_limit });
  for (let made = 0; made < jobs; made += 100) {
    await tenant.call('POST', '/jobs/bulk', {
      queue_name: 'emails',
      jobs: Array.from({ length: 100 }, () => ({ payload: 1 })),
    });
  }
  return tenant;
}

const total = (claims: readonly Claim[]) => claims.flatMap(({ ids }) => ids).length;

/** The most that was leased within this time, by the server's clock. */
async function mostWithin({ organizationId }: Tenant, ms: number): Promise<number> {
  const { rows } = await world.owner.query<{ most: string }>(
    `select max(count) as most from (
       select count(*) over (order by started_at range between current row and $2::interval following)
       from jobs.job_running where organization_id = $1) c`,
    [organizationId, `${ms} milliseconds`],
  );
  return Number(rows[0]!.most);
}

describe('the rate limit of a queue', () => {
  it.each<[how: string, body: object]>([
    ['one job a claim', { limit: 1 }],
    ['as many as there are', { limit: 100 }],
    ['waiting for jobs', { limit: 7, wait_secs: 20 }],
  ])(
    'is what all instances together lease per second, with claims of %s',
    async (_, body) => {
      const tenant = await limitedQueue(RATE, 200);
      const claims = await poll(tenant, SECONDS * 1000, body);
      const ids = claims.flatMap((claim) => claim.ids);
      expect(new Set(ids).size).toBe(ids.length);
      expect(total(claims)).toBeGreaterThanOrEqual(0.9 * RATE * SECONDS);
      expect(total(claims)).toBeLessThanOrEqual(1.1 * RATE * SECONDS);
      // A claim may wait a moment for its turn after its time was taken.
      expect(await mostWithin(tenant, 900)).toBeLessThanOrEqual(RATE);
    },
    30_000,
  );

  it('is not shared with other queues and organizations, and ends when it is taken away', async () => {
    const tenant = await limitedQueue(1, 100);
    const other = await limitedQueue(1, 100);
    await tenant.enqueue({ queue_name: 'reports' });
    expect(await tenant.claim({ limit: 100 })).toHaveLength(1);
    expect(await tenant.claim({ limit: 100 })).toEqual([]);
    expect(await other.claim({ limit: 100 })).toHaveLength(1);
    expect(await tenant.claim({ queue_name: 'reports' })).toHaveLength(1);
    await tenant.call('PUT', '/queues/emails/config', { rate_limit: null });
    expect(await tenant.claim({ limit: 100 })).toHaveLength(99);
  });

  it('holds from the first claim on, however many ask at once', async () => {
    const tenant = await limitedQueue(3, 100);
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        claimAt(index % 2 === 0 ? world.context : second, tenant, { worker_id: 'w', limit: 2 }),
      ),
    );
    expect(claims.flat()).toHaveLength(3);
  });

  it('of a paused queue leases nothing, and nothing is saved up', async () => {
    const tenant = await limitedQueue(2, 100);
    await tenant.call('POST', '/queues/emails/pause');
    expect(await tenant.claim({ limit: 10, wait_secs: 2 })).toEqual([]);
    await tenant.call('POST', '/queues/emails/resume');
    expect(await tenant.claim({ limit: 10 })).toHaveLength(2);
    expect(await tenant.claim({ limit: 10 })).toEqual([]);
  });
});
