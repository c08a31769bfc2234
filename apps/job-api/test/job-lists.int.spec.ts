import type { JobSummary } from '@spooled/contracts';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

async function list(tenant: Tenant, query: string): Promise<string[]> {
  const { status, body } = await tenant.call<JobSummary[]>('GET', `/jobs${query}`);
  expect(status).toBe(200);
  return body.map(({ id }) => id);
}

describe('GET /jobs?status=…,…', () => {
  it('lists the jobs of each named status in every order, in pages', async () => {
    const tenant = world.key();
    const cancelled = await tenant.enqueue({ priority: 2 });
    await tenant.cancel(cancelled);
    const dead = await tenant.deadLetter({ priority: 5 });
    const done = (await tenant.leased()).id;
    await tenant.complete(done);
    const pending = await tenant.enqueue({ priority: 3 });
    const both = '?status=pending,deadletter,cancelled';
    expect(await list(tenant, both)).toEqual([pending, dead, cancelled]);
    expect(await list(tenant, `${both}&order_dir=asc`)).toEqual([cancelled, dead, pending]);
    expect(await list(tenant, `${both}&order_by=priority`)).toEqual([dead, pending, cancelled]);
    expect(await list(tenant, `${both}&limit=1&offset=1`)).toEqual([dead]);
    expect(await list(tenant, '?status=completed,%20deadletter,nonsense')).toEqual([done, dead]);
    expect(await list(tenant, '?status=nonsense')).toHaveLength(4);
  });
});

describe('GET /jobs?job_type=…', () => {
  it.each([3, 1003])('lists the %i jobs whose payload says so', async (count) => {
    const tenant = world.key();
    const made: string[] = [];
    for (let left = count; left > 0; left -= 100) {
      const some = Array.from({ length: Math.min(left, 100) }, () =>
        tenant.enqueue({ payload: { job_type: 'mail.send' }, tags: ['t'] }),
      );
      made.push(...(await Promise.all(some)));
    }
    await tenant.enqueue({ payload: { job_type: 'mail.read' } });
    const newest = made.sort().toReversed();
    expect(await list(tenant, '?job_type=mail.send&limit=2')).toEqual(newest.slice(0, 2));
    const [claimed] = await tenant.claim();
    const first = claimed!.id;
    expect(await list(tenant, '?job_type=mail.send&status=processing')).toEqual([first]);
    expect(await list(tenant, '?job_type=mail.send&tag=t&queue_name=emails&limit=1')).toEqual([
      newest[0],
    ]);
    expect(await list(tenant, '?job_type=mail.send&order_by=priority&limit=1&tag=t')).toHaveLength(
      1,
    );
    expect(await list(tenant, '?job_type=mail')).toEqual([]);
    expect(await list(world.key(), '?job_type=mail.send')).toEqual([]);
  });

  it.each([
    ['text', { job_type: 'a.b' }, 'a.b'],
    ['nothing', {}, ''],
    ['no text', { job_type: 7 }, ''],
    ['too much', { job_type: 'x'.repeat(256) }, ''],
    ['half a character', { job_type: '\ud800' }, ''],
    ['a NUL', { job_type: 'a\u0000' }, ''],
    ['a list', ['job_type'], ''],
  ])('shows the type when the payload says %s', async (_, payload, expected) => {
    const tenant = world.key();
    await tenant.enqueue({ payload });
    const { body } = await tenant.call<JobSummary[]>('GET', '/jobs');
    expect(body).toMatchObject([{ job_type: expected, last_error: null }]);
  });
});

describe('GET /jobs?created_after=…&created_before=…', () => {
  it('begins with the one instant, and ends before the other', async () => {
    const tenant = world.key();
    const ids = [await tenant.enqueue(), await tenant.enqueue(), await tenant.enqueue()];
    for (const [index, id] of ids.entries()) {
      await world.owner.query(
        `update jobs.job set created_at = date_trunc('second', now()) + make_interval(secs => $2) where id = $1`,
        [id, index],
      );
    }
    const [first, second, third] = await Promise.all(
      ids.map(async (id) => (await tenant.job(id)).created_at),
    );
    expect(await list(tenant, `?created_after=${second}`)).toEqual([ids[2], ids[1]]);
    expect(await list(tenant, `?created_before=${second}`)).toEqual([ids[0]]);
    expect(await list(tenant, `?created_after=${first}&created_before=${third}`)).toEqual([
      ids[1],
      ids[0],
    ]);
    expect(await list(tenant, `?created_after=${second}&status=pending&limit=1`)).toEqual([ids[2]]);
    expect(await list(tenant, '?created_after=9000-01-01T00:00:00Z')).toEqual([]);
    expect(await list(tenant, '?created_before=0001-01-01T00:00:00Z')).toEqual([]);
    // What is no instant is no filter.
    expect(await list(tenant, '?created_after=yesterday')).toHaveLength(3);
  });
});

describe('GET /jobs?q=…', () => {
  let tenant: Tenant;
  let ids: Record<'mail' | 'keyed' | 'tagged' | 'plain', string>;
  beforeAll(async () => {
    tenant = world.key();
    ids = {
      mail: await tenant.enqueue({ queue_name: 'Outbox', payload: { job_type: 'Mail.Send' } }),
      keyed: await tenant.enqueue({ idempotency_key: 'order-7' }),
      tagged: await tenant.enqueue({ tags: ['urgent'], queue_name: 'urgent-mails' }),
      plain: await tenant.enqueue(),
    };
  });

  it.each<[string, () => string, (keyof typeof ids)[]]>([
    ['an id', () => ids.keyed, ['keyed']],
    ['the beginning of an id, in capitals', () => ids.plain.slice(0, 35).toUpperCase(), ['plain']],
    ['an idempotency key', () => 'order-7', ['keyed']],
    ['a part of an idempotency key', () => 'order', []],
    ['a tag, and the name of a queue', () => 'urgent', ['tagged']],
    ['parts of a queue and of a type', () => 'mail', ['plain', 'tagged', 'keyed', 'mail']],
    ['a part of a type', () => 'l.sen', ['mail']],
    ['a part of a queue', () => 'OUTB', ['mail']],
    ['nothing known', () => 'zzz', []],
    ['what a pattern would take', () => '%', []],
  ])('finds by %s', async (_, text, expected) => {
    const found = await list(tenant, `?q=${encodeURIComponent(text())}`);
    expect(found).toEqual(expected.map((name) => ids[name]));
  });

  it('is one filter among others, and comes in pages', async () => {
    expect(await list(tenant, '?q=mail&order_dir=asc&limit=2&offset=1')).toEqual([
      ids.keyed,
      ids.tagged,
    ]);
    expect(await list(tenant, '?q=mail&queue_name=emails')).toEqual([ids.plain, ids.keyed]);
    expect(await list(tenant, '?q=mail&job_type=Mail.Send')).toEqual([ids.mail]);
    expect(await list(tenant, '?q=mail&tag=urgent')).toEqual([ids.tagged]);
    expect(await list(tenant, '?q=mail&status=completed,cancelled')).toEqual([]);
    expect(await list(tenant, '?q=mail&created_before=2001-01-01T00:00:00Z')).toEqual([]);
    expect(await list(tenant, '?q=mail&offset=5000')).toEqual([]);
  });

  it('shows nothing outside the scope of the key, and nothing of others', async () => {
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['emails'] });
    expect(await list(scoped, '?q=mail')).toEqual([ids.plain, ids.keyed]);
    expect(await list(scoped, `?q=${ids.mail}`)).toEqual([]);
    expect(await list(world.key(), '?q=mail')).toEqual([]);
    expect(await list(world.key(), `?q=${ids.mail}`)).toEqual([]);
  });
});

describe('X-Has-More', () => {
  it.each([
    ['?limit=2', 'true'],
    ['?limit=3', 'false'],
    ['?limit=2&offset=1', 'false'],
    ['?limit=2&q=emails', 'true'],
    ['?limit=3&q=emails', 'false'],
    ['?queue_name=nothing', 'false'],
  ])('of %s is %s', async (query, expected) => {
    const tenant = world.key();
    for (let n = 0; n < 3; n += 1) await tenant.enqueue();
    const { headers } = await tenant.call('GET', `/jobs${query}`);
    expect(headers.get('x-has-more')).toBe(expected);
  });
});
