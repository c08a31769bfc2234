import { eventually, postgresServer } from '@spooled/testing';
import { World } from './setup.js';

type PostgresServer = Awaited<ReturnType<typeof postgresServer>>;

let postgres: PostgresServer;
let world: World;
beforeAll(async () => {
  postgres = await postgresServer({ isDurable: true });
  world = await World.setup({
    databaseUrl: postgres.urlOf('postgres'),
    environment: { LEASE_REAP_INTERVAL_MS: '200' },
  });
});
afterAll(() => world.stop());

const probe = async (path: string) => (await world.request('GET', path)).status;

describe('PostgreSQL that dies', () => {
  it('costs 503s and nothing else: no acknowledged job is lost, and the room recovers by itself', async () => {
    const tenant = world.key();
    const acknowledged: string[] = [];
    const refusals: { status: number; retryAfter: string | null; code: unknown }[] = [];
    let isOver = false;
    const producers = Array.from({ length: 8 }, async (_, lane) => {
      for (let n = 0; !isOver; n += 1) {
        const { status, body, headers } = await tenant.call('POST', '/jobs', {
          queue_name: 'emails',
          payload: { lane, n },
          idempotency_key: `${lane}.${n}`,
        });
        if (status === 201) acknowledged.push(String(body['id']));
        else {
          refusals.push({ status, retryAfter: headers.get('retry-after'), code: body['code'] });
          await new Promise(setImmediate);
        }
      }
    });
    await eventually(() => acknowledged.length > 100);
    await postgres.stop('immediate');
    await eventually(() => refusals.length > 20);

    await eventually(async () => (await probe('/health/ready')) === 503);
    expect(await probe('/health/live')).toBe(200);
    const health = await world.request('GET', '/health');
    expect(health).toMatchObject({ status: 200, body: { status: 'degraded', database: false } });
    const id = acknowledged[0]!;
    const calls: [method: string, path: string, body?: object][] = [
      ['GET', '/jobs'],
      ['GET', `/jobs/${id}`],
      ['GET', '/jobs/stats'],
      ['DELETE', `/jobs/${id}`],
      ['POST', '/jobs/claim', { queue_name: 'emails', worker_id: 'w' }],
      ['POST', `/jobs/${id}/complete`, { worker_id: 'w' }],
      ['POST', `/jobs/${id}/retry`],
      ['GET', '/queues'],
      ['GET', '/dashboard'],
      ['GET', '/workflows'],
      ['PUT', '/queues/emails/config', {}],
    ];
    for (const [method, path, body] of calls) {
      const answer = await tenant.call(method, path, body);
      expect({ path, status: answer.status, code: answer.body['code'] }).toEqual({
        path,
        status: 503,
        code: 'SERVICE_UNAVAILABLE',
      });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(answer.text).not.toMatch(/postgres|ECONN|sql|127\.0\.0\.1/i);
    }

    await postgres.start();
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 100);
    isOver = true;
    await Promise.all(producers);
    await eventually(async () => (await probe('/health/ready')) === 200);
    expect(refusals.filter(({ status }) => status !== 503)).toEqual([]);
    expect(refusals.filter(({ retryAfter }) => Number(retryAfter) < 1)).toEqual([]);

    const checker = await world.client();
    const { rows } = await checker.query<{ id: string }>(
      'select id from jobs.job_ready where organization_id = $1',
      [tenant.organizationId],
    );
    const stored = new Set(rows.map((row) => row.id));
    expect(acknowledged.filter((one) => !stored.has(one))).toEqual([]);
    // Counts and the event log agree with the rows, whatever was cut off in the middle.
    expect(await tenant.stats()).toMatchObject({ pending: stored.size, total: stored.size });
    world.owner = checker;
    const told = (await tenant.events()).map(({ data }) => ('job_id' in data ? data.job_id : ''));
    expect(told.toSorted()).toEqual([...stored].toSorted());
    // Maintenance is at work again.
    const [job] = await tenant.claim({ worker_id: 'w-1' });
    await tenant.expireLease(job!.id);
    await eventually(async () => (await tenant.statusOf(job!.id)) === 'pending');
  });
});

describe('NATS that dies', () => {
  it('leaves enqueue, claim and settling to keys that were seen before', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    await world.nats.kill();
    const stranger = world.key();
    for (let n = 0; n < 5; n += 1) {
      const id = await tenant.enqueue({ payload: n, queue_name: `q-${n}` });
      const [job] = await tenant.claim({ queue_name: `q-${n}` });
      expect(job!.id).toBe(id);
      expect((await tenant.renew(id)).status).toBe(200);
      expect((await (n % 2 === 0 ? tenant.complete(id) : tenant.fail(id))).status).toBe(200);
    }
    // Waiting claims of this instance wake without the bus.
    const claiming = tenant.claim({ wait_secs: 20, limit: 2, queue_name: 'later' });
    await tenant.stats();
    const later = await tenant.enqueue({ queue_name: 'later' });
    expect((await claiming).map(({ id }) => id)).toEqual([later]);
    expect(await probe('/health/ready')).toBe(200);
    expect(await stranger.call('GET', '/jobs')).toMatchObject({
      status: 503,
      body: { code: 'SERVICE_UNAVAILABLE' },
    });
    const { rows } = await world.owner.query<{ count: number }>(
      'select count(*)::int as count from events.outbox where organization_id = $1',
      [tenant.organizationId],
    );
    expect(rows[0]!.count).toBeGreaterThan(0);

    await world.nats.wipe();
    await world.nats.start();
    await eventually(async () => {
      const left = await world.owner.query<{ count: number }>(
        'select count(*)::int as count from events.outbox',
      );
      expect(left.rows[0]!.count).toBe(0);
      expect((await stranger.call('GET', '/jobs')).status).toBe(200);
    });
  });

  it('is not needed to start', async () => {
    await world.context.close();
    await world.nats.kill();
    await world.boot();
    expect(await probe('/health/live')).toBe(200);
    expect(await probe('/health/ready')).toBe(200);
    await world.nats.start();
    const tenant = world.key();
    await eventually(async () => (await tenant.call('GET', '/jobs')).status === 200);
    await tenant.enqueue();
  });
});
