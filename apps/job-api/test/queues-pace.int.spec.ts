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
  await world.owner.query(LEDGER);
  second = await NestFactory.createApplicationContext(AppModule, {
    logger: false,
    abortOnError: false,
  });
});
afterAll(async () => {
  await second.close();
  await world.stop();
});

/** Jobs a second, and how many the pollers wait for. */
const RATE = 20;
const WANTED = 100;

/**
 * Every lease of a limited queue, dated as the service itself dates it: by the fiftieth of a second in which its turn came,
 * whatever held its transaction up before and after. A date that is not within the transaction fails it.
 */
const LEDGER = `
create schema ledger;
create table ledger.lease (organization_id uuid, fiftieth bigint, jobs int);
create function ledger.note() returns trigger language plpgsql security definer as $$
declare at constant int := new.fiftieth % 51 + 1;
begin
  if new.fiftieth not between floor(extract(epoch from now()) * 50) and floor(extract(epoch from clock_timestamp()) * 50) then
    raise exception 'a lease is dated %', new.fiftieth;
  end if;
  insert into ledger.lease values (new.organization_id, new.fiftieth,
    new.claimed[at] - case when old.fiftieth = new.fiftieth then old.claimed[at] else 0 end);
  return null;
end $$;
create trigger ledger after update on jobs.queue_pace for each row execute function ledger.note();
`;

/** Claims at one of the two instances. */
async function claimAt(
  room: INestApplicationContext,
  { credential }: Tenant,
  body: object,
): Promise<ClaimedJob[]> {
  const response = await fetch(`http://127.0.0.1:${room.get(HttpServer).port}/api/v1/jobs/claim`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${credential}` },
    body: JSON.stringify({ queue_name: 'emails', lease_duration_secs: 3600, ...body }),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { jobs: ClaimedJob[] }).jobs;
}

/** Eight pollers at two instances, each asking again as soon as it was answered, until they have enough. */
async function poll(tenant: Tenant, body: object): Promise<string[]> {
  const ids: string[] = [];
  const poller = async (index: number): Promise<void> => {
    const room = index % 2 === 0 ? world.context : second;
    while (ids.length < WANTED) {
      const jobs = await claimAt(room, tenant, { worker_id: `w-${index}`, ...body });
      ids.push(...jobs.map(({ id }) => id));
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, index) => poller(index)));
  return ids;
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

/** What was leased: the most and the least that one lease brought the last second to, and all together. */
async function leases({ organizationId }: Tenant) {
  const { rows } = await world.owner.query<{ most: number; least: number; all: number }>(
    `select max(sum)::int as most, min(sum)::int as least, sum(jobs)::int as all from (
       select jobs, sum(jobs) over (order by fiftieth range between 50 preceding and current row)
       from ledger.lease where organization_id = $1) l`,
    [organizationId],
  );
  return rows[0]!;
}

describe('the rate limit of a queue', () => {
  it.each<[how: string, body: object, least: number]>([
    ['one job a claim', { limit: 1 }, 1],
    // Who wants more than there may be gets all that is left.
    ['as many as there are', { limit: 100 }, RATE],
    ['waiting for jobs', { limit: 7, wait_secs: 20 }, 1],
  ])(
    'is what all instances together lease per second, with claims of %s',
    async (_, body, least) => {
      const tenant = await limitedQueue(RATE, 200);
      const ids = await poll(tenant, body);
      expect(new Set(ids).size).toBe(ids.length);
      const leased = await leases(tenant);
      expect(leased.all).toBe(ids.length);
      expect(leased.most).toBeLessThanOrEqual(RATE);
      expect(leased.least).toBeGreaterThanOrEqual(least);
    },
  );

  it('is not shared with other queues and organizations, and ends when it is taken away', async () => {
    const tenant = await limitedQueue(1, 100);
    const other = await limitedQueue(1, 100);
    await tenant.enqueue({ queue_name: 'reports' });
    expect(await tenant.claim({ limit: 100 })).toHaveLength(1);
    // One more if a second has passed.
    const { length } = await tenant.claim({ limit: 100 });
    expect(await leases(tenant)).toEqual({ most: 1, least: 1, all: 1 + length });
    expect(await other.claim({ limit: 100 })).toHaveLength(1);
    expect(await tenant.claim({ queue_name: 'reports' })).toHaveLength(1);
    await tenant.call('PUT', '/queues/emails/config', { rate_limit: null });
    expect(await tenant.claim({ limit: 100 })).toHaveLength(99 - length);
  });

  it('holds from the first claim on, however many ask at once', async () => {
    const tenant = await limitedQueue(3, 100);
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        claimAt(index % 2 === 0 ? world.context : second, tenant, { worker_id: 'w', limit: 2 }),
      ),
    );
    // Three, unless the machine took more than a second for all of them.
    const leased = await leases(tenant);
    expect(leased.all).toBe(claims.flat().length);
    expect(leased.all).toBeGreaterThanOrEqual(3);
    expect(leased.most).toBeLessThanOrEqual(3);
  });

  it('of a paused queue leases nothing, and nothing is saved up', async () => {
    const tenant = await limitedQueue(2, 100);
    await tenant.call('POST', '/queues/emails/pause');
    expect(await tenant.claim({ limit: 10, wait_secs: 2 })).toEqual([]);
    await tenant.call('POST', '/queues/emails/resume');
    expect(await tenant.claim({ limit: 10 })).toHaveLength(2);
    const { length } = await tenant.claim({ limit: 10 });
    expect(await leases(tenant)).toMatchObject({ most: 2, all: 2 + length });
  });
});
