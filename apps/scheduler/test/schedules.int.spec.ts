import { schedulesApi, schedulesRpc, type RouteSpec, type Schedule } from '@spooled/contracts';
import { free, valid, World, yearly } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const unknownId = '0198aaaa-0000-7000-8000-000000000000';
const actions: readonly [method: string, suffix: string, body?: object][] = [
  ['GET', ''],
  ['PUT', '', { name: 'other' }],
  ['DELETE', ''],
  ['POST', '/pause'],
  ['POST', '/resume'],
  ['POST', '/trigger'],
  ['GET', '/history'],
];

describe('every route', () => {
  it.each(
    Object.values<RouteSpec>(schedulesApi).map(
      (spec) => [`${spec.method} ${spec.path}`, spec] as const,
    ),
  )('%s wants a good credential', async (_name, { method, path }) => {
    for (const credential of [undefined, 'sp_test_unknown']) {
      const body = method === 'GET' ? undefined : {};
      const answer = await world.call(credential, method, path, body);
      expect([answer.status, answer.body['code']]).toEqual([401, 'UNAUTHORIZED']);
    }
  });

  it.each([
    ['unknown', unknownId],
    ['no UUID', 'nightly'],
    ['in upper case', unknownId.toUpperCase()],
    ['with a NUL', '%00'],
    ['too long', 'x'.repeat(256)],
  ])('answers 404 for an id that is %s', async (_name, id) => {
    const { credential } = world.key();
    for (const [method, suffix, body] of actions) {
      const answer = await world.call(credential, method, `/schedules/${id}${suffix}`, body);
      expect([method, suffix, answer.status, answer.body['code']]).toEqual([
        method,
        suffix,
        404,
        'NOT_FOUND',
      ]);
    }
  });

  it('answers 404 for another organization’s schedule, and changes nothing of it', async () => {
    const [mine, theirs] = [world.key(), world.key()];
    const id = await world.make(theirs.credential);
    const before = await world.read(theirs.credential, id);
    for (const [method, suffix, body] of actions) {
      const answer = await world.call(mine.credential, method, `/schedules/${id}${suffix}`, body);
      expect([method, suffix, answer.status]).toEqual([method, suffix, 404]);
    }
    expect(await world.read(theirs.credential, id)).toEqual(before);
    expect((await world.call<unknown[]>(mine.credential, 'GET', '/schedules')).body).toEqual([]);
    expect(world.jobApi.jobsOf(id)).toEqual([]);
  });
});

describe('POST /schedules', () => {
  it('answers what was made, and it can be read in full', async () => {
    const { organizationId, credential } = world.key();
    const { status, body } = await world.call(credential, 'POST', '/schedules', {
      name: 'nightly',
      description: 'the report of the day',
      cron_expression: '30 9 * * MON-FRI',
      timezone: 'Europe/Berlin',
      queue_name: 'reports',
      payload_template: { report: 'sales', digits: 1 },
      priority: -7,
      max_retries: 0,
      timeout_seconds: 86400,
      tags: ['a', 'b'],
      metadata: { owner: 'me' },
      unknown_key: true,
      organization_id: unknownId,
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'nightly',
      cron_expression: '30 9 * * MON-FRI',
      next_run_at: expect.stringMatching(/T0[78]:30:00\.000Z$/),
    });
    const detail = await world.read(credential, String(body['id']));
    expect(detail).toEqual({
      ...body,
      organization_id: organizationId,
      description: 'the report of the day',
      timezone: 'Europe/Berlin',
      queue_name: 'reports',
      payload_template: { report: 'sales', digits: 1 },
      priority: -7,
      max_retries: 0,
      timeout_seconds: 86400,
      is_active: true,
      last_run_at: null,
      run_count: 0,
      tags: ['a', 'b'],
      metadata: { owner: 'me' },
      created_at: expect.any(String),
      updated_at: detail.created_at,
    });
    expect(Math.abs(Date.now() - Date.parse(detail.created_at))).toBeLessThan(60_000);
    expect(schedulesApi.get.responses[200].safeParse(detail).success).toBe(true);
  });

  it('fills in what was left out, or is null', async () => {
    const { credential } = world.key();
    const nothing = {
      description: null,
      timezone: null,
      priority: null,
      max_retries: null,
      timeout_seconds: null,
      tags: null,
      metadata: null,
    };
    for (const over of [{}, nothing]) {
      expect(await world.read(credential, await world.make(credential, over))).toMatchObject({
        description: null,
        timezone: 'UTC',
        priority: 0,
        max_retries: 3,
        timeout_seconds: 300,
        tags: null,
        metadata: null,
      });
    }
  });

  it.each([
    ['no name', { name: undefined }, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['a name of 256', { name: 'n'.repeat(256) }, 'name'],
    ['a name with a NUL', { name: 'a\0b' }, 'name'],
    ['a description of 1001', { description: 'd'.repeat(1001) }, 'description'],
    ['no cron expression', { cron_expression: undefined }, 'cron_expression'],
    ['a cron expression of 8', { cron_expression: '* * * * ' }, 'cron_expression'],
    [
      'a cron expression of 101',
      { cron_expression: `* * * * *${' '.repeat(92)}` },
      'cron_expression',
    ],
    ['a cron expression of four fields', { cron_expression: '*/10 * * *' }, 'cron_expression'],
    ['minute 60', { cron_expression: '60 * * * *' }, 'cron_expression'],
    ['a nickname', { cron_expression: '@annually' }, 'cron_expression'],
    ['30 February', { cron_expression: '0 0 30 2 *' }, 'cron_expression'],
    ['31 April', { cron_expression: '0 0 31 APR *' }, 'cron_expression'],
    ['an unknown zone', { timezone: 'Mars/Olympus' }, 'timezone'],
    ['an empty zone', { timezone: '' }, 'timezone'],
    ['an offset without minutes', { timezone: '+05' }, 'timezone'],
    ['an offset of a day', { timezone: '+24:00' }, 'timezone'],
    ['no queue', { queue_name: undefined }, 'queue_name'],
    ['a queue name with a space', { queue_name: 'a b' }, 'queue_name'],
    ['a queue name of 101', { queue_name: 'q'.repeat(101) }, 'queue_name'],
    ['no payload', { payload_template: undefined }, 'payload_template'],
    ['a priority of 101', { priority: 101 }, 'priority'],
    ['a priority of -101', { priority: -101 }, 'priority'],
    ['a priority of 1.5', { priority: 1.5 }, 'priority'],
    ['101 retries', { max_retries: 101 }, 'max_retries'],
    ['-1 retries', { max_retries: -1 }, 'max_retries'],
    ['a timeout of 0', { timeout_seconds: 0 }, 'timeout_seconds'],
    ['a timeout of more than a day', { timeout_seconds: 86401 }, 'timeout_seconds'],
    ['tags that are a word', { tags: 'urgent' }, 'tags'],
    ['tags over 64 KiB', { tags: ['x'.repeat(65_536)] }, 'tags'],
    ['metadata that is a list', { metadata: [] }, 'metadata'],
    ['metadata over 64 KiB', { metadata: { text: 'x'.repeat(65_536) } }, 'metadata'],
    ['metadata with a NUL', { metadata: { text: '\0' } }, 'metadata'],
  ])('refuses %s', async (_name, over, field) => {
    const { credential } = world.key();
    const { status, body } = await world.call(credential, 'POST', '/schedules', {
      ...valid,
      ...over,
    });
    expect([status, body['code']]).toEqual([400, 'VALIDATION_ERROR']);
    expect(body['details']).toContainEqual(expect.objectContaining({ field }));
    expect((await world.call<unknown[]>(credential, 'GET', '/schedules')).body).toEqual([]);
  });

  it.each([
    ['null', null],
    ['a word', 'hello'],
    ['a list', [1, 'two', null]],
    ['nothing but false', false],
    ['a NUL and half a character', { text: '\0 \ud800' }],
    ['deep nesting', { a: { b: { c: [{}] } } }],
  ])('takes a payload that is %s', async (_name, payload) => {
    const { credential } = world.key();
    const id = await world.make(credential, { payload_template: payload });
    expect((await world.read(credential, id)).payload_template).toEqual(payload);
  });

  it('keeps numbers that a double cannot hold', async () => {
    const { credential } = world.key();
    const text = JSON.stringify({ ...valid, payload_template: 0 }).replace(
      /"payload_template":0/,
      '"payload_template":{"n":12345678901234567890.5}',
    );
    const { body } = await world.call<{ id: string }>(credential, 'POST', '/schedules', text);
    const detail = await world.call(credential, 'GET', `/schedules/${body.id}`);
    expect(detail.text).toContain('"n":12345678901234567890.5');
  });

  it('answers 413 for a payload over the plan’s size, with the numbers', async () => {
    const { credential } = world.key({ plan: { ...free, max_payload_size_bytes: 100 } });
    const fits = { text: 'x'.repeat(100 - JSON.stringify({ text: '' }).length) };
    const id = await world.make(credential, { payload_template: fits });
    const tooLarge = { text: `${fits.text}x` };
    for (const [method, path, body] of [
      ['POST', '/schedules', { ...valid, payload_template: tooLarge }],
      ['PUT', `/schedules/${id}`, { payload_template: tooLarge }],
    ] as const) {
      const answer = await world.call(credential, method, path, body);
      expect([answer.status, answer.body]).toEqual([
        413,
        {
          code: 'PAYLOAD_TOO_LARGE',
          error: 'payload_too_large',
          message: expect.any(String),
          current: 101,
          limit: 100,
          plan: 'free',
          upgrade_to: true,
        },
      ]);
    }
    expect((await world.read(credential, id)).payload_template).toEqual(fits);
  });
});

describe('the plan’s schedule limit', () => {
  it('is never overshot by schedules made and resumed at the same time', async () => {
    const { organizationId, credential } = world.key({
      plan: { tier: 'starter', max_schedules: 5 },
    });
    const paused = await world.make(credential);
    await world.call(credential, 'POST', `/schedules/${paused}/pause`);
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, () => world.call(credential, 'POST', '/schedules', valid)),
      ...Array.from({ length: 5 }, () =>
        world.call(credential, 'POST', `/schedules/${paused}/resume`),
      ),
    ]);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(15);
    expect(new Set(answers.map(({ status }) => status))).toEqual(
      new Set([
        201,
        429,
        ...answers.map(({ status }) => status).filter((status) => status === 200),
      ]),
    );
    const usage = await world.others.request(schedulesRpc.usage, { organizationId });
    expect(usage).toEqual({ schedules: 5 });
  });

  it('answers with the quota body', async () => {
    const { credential } = world.key({ plan: free });
    await world.make(credential);
    const { status, body } = await world.call(credential, 'POST', '/schedules', valid);
    expect(status).toBe(429);
    expect(body).toEqual({
      code: 'QUOTA_EXCEEDED',
      error: 'limit_exceeded',
      message: expect.stringContaining('schedules limit reached (1/1)'),
      resource: 'schedules',
      current: 1,
      limit: 1,
      plan: 'free',
      upgrade_to: 'starter',
    });
  });

  it('counts active schedules only, and charges one that becomes active again', async () => {
    const { credential } = world.key({ plan: free });
    const first = await world.make(credential);
    await world.call(credential, 'POST', `/schedules/${first}/pause`);
    const second = await world.make(credential);
    for (const [method, suffix, body] of [
      ['POST', '/resume', undefined],
      ['PUT', '', { is_active: true }],
    ] as const) {
      const answer = await world.call(credential, method, `/schedules/${first}${suffix}`, body);
      expect([answer.status, answer.body['resource']]).toEqual([429, 'schedules']);
    }
    expect(await world.read(credential, first)).toMatchObject({ is_active: false });
    // What is active already is not charged for saying so.
    for (const [method, suffix, body] of [
      ['POST', '/resume', undefined],
      ['PUT', '', { is_active: true, name: 'still' }],
    ] as const) {
      const answer = await world.call(credential, method, `/schedules/${second}${suffix}`, body);
      expect([answer.status, answer.body['is_active']]).toEqual([200, true]);
    }
    await world.call(credential, 'DELETE', `/schedules/${second}`);
    expect((await world.call(credential, 'POST', `/schedules/${first}/resume`)).status).toBe(200);
  });

  it('disables the feature when the limit is 0', async () => {
    const { credential } = world.key({ plan: { ...free, max_schedules: 0 } });
    const { status, body } = await world.call(credential, 'POST', '/schedules', valid);
    expect([status, body['code'], body['feature']]).toEqual([403, 'FEATURE_DISABLED', 'schedules']);
  });
});

describe('the queues that schedules feed', () => {
  const told = (organizationId: string) => world.jobApi.queues.get(organizationId);

  it('are told to job-api, always all of them', async () => {
    const { organizationId, credential } = world.key();
    const a = await world.make(credential, { queue_name: 'a' });
    expect(told(organizationId)).toEqual(['a']);
    const b = await world.make(credential, { queue_name: 'b' });
    const alsoB = await world.make(credential, { queue_name: 'b' });
    expect(told(organizationId)).toEqual(['a', 'b']);
    await world.call(credential, 'POST', `/schedules/${b}/pause`);
    expect(told(organizationId)).toEqual(['a', 'b']);
    await world.call(credential, 'PUT', `/schedules/${alsoB}`, { is_active: false });
    expect(told(organizationId)).toEqual(['a']);
    await world.call(credential, 'POST', `/schedules/${b}/resume`);
    expect(told(organizationId)).toEqual(['a', 'b']);
    await world.call(credential, 'DELETE', `/schedules/${b}`);
    await world.call(credential, 'DELETE', `/schedules/${a}`);
    expect(told(organizationId)).toEqual([]);
  });

  it('are not told when they stay the same', async () => {
    const { credential } = world.key();
    await world.make(credential);
    const before = world.jobApi.told;
    const id = await world.make(credential);
    await world.call(credential, 'PUT', `/schedules/${id}`, { name: 'other' });
    expect(world.jobApi.told).toBe(before);
  });

  it('are limited by the plan: job-api’s refusal reaches the caller, and nothing is made', async () => {
    const { organizationId, credential } = world.key();
    const paused = await world.make(credential, { queue_name: 'paused' });
    await world.call(credential, 'POST', `/schedules/${paused}/pause`);
    await world.make(credential, { queue_name: 'a' });
    world.jobApi.maxQueues = 1;
    try {
      for (const [method, path, body] of [
        ['POST', '/schedules', { ...valid, queue_name: 'b' }],
        ['POST', `/schedules/${paused}/resume`, undefined],
        ['PUT', `/schedules/${paused}`, { is_active: true }],
      ] as const) {
        const answer = await world.call(credential, method, path, body);
        expect([answer.status, answer.body]).toEqual([
          429,
          expect.objectContaining({
            code: 'QUOTA_EXCEEDED',
            error: 'limit_exceeded',
            resource: 'queues',
            limit: 1,
          }),
        ]);
      }
    } finally {
      world.jobApi.maxQueues = Infinity;
    }
    expect(told(organizationId)).toEqual(['a']);
    expect((await world.call<unknown[]>(credential, 'GET', '/schedules')).body).toHaveLength(2);
    expect(await world.read(credential, paused)).toMatchObject({ is_active: false });
  });

  it('end as what is active, however many are made and paused at once', async () => {
    const { organizationId, credential } = world.key();
    const ids = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((queue_name) => world.make(credential, { queue_name })),
    );
    expect(told(organizationId)).toEqual(['a', 'b', 'c', 'd', 'e']);
    await Promise.all([
      ...ids.slice(0, 3).map((id) => world.call(credential, 'POST', `/schedules/${id}/pause`)),
      world.make(credential, { queue_name: 'f' }),
      world.make(credential, { queue_name: 'a' }),
    ]);
    expect(told(organizationId)).toEqual(['a', 'd', 'e', 'f']);
  });
});

describe('PUT /schedules/{id}', () => {
  it('changes what is named and leaves the rest', async () => {
    const { credential } = world.key();
    const id = await world.make(credential, {
      description: 'old',
      tags: ['old'],
      metadata: { old: true },
      priority: 5,
      max_retries: 9,
      timeout_seconds: 90,
    });
    const before = await world.read(credential, id);
    const changes: [Record<string, unknown>, Partial<Schedule>][] = [
      [{ name: 'new' }, { name: 'new' }],
      [{ description: 'new' }, { description: 'new' }],
      [{ description: null }, { description: null }],
      [{ payload_template: [1] }, { payload_template: [1] }],
      [{ payload_template: null }, { payload_template: null }],
      [{ priority: 100 }, { priority: 100 }],
      [{ max_retries: 1 }, { max_retries: 1 }],
      [{ max_retries: null }, { max_retries: 3 }],
      [{ timeout_seconds: 1 }, { timeout_seconds: 1 }],
      [{ timeout_seconds: null }, { timeout_seconds: 300 }],
      [{ tags: { a: 1 } }, { tags: { a: 1 } }],
      [{ tags: null }, { tags: null }],
      [{ metadata: { b: 2 } }, { metadata: { b: 2 } }],
      [{ metadata: null }, { metadata: null }],
      [{}, {}],
      [{ name: null, cron_expression: null, timezone: null, priority: null, is_active: null }, {}],
      [{ queue_name: 'elsewhere' }, {}],
      [{ queue_name: 'not a queue name' }, {}],
    ];
    let expected: Schedule = before;
    for (const [change, effect] of changes) {
      const { status, body } = await world.call<Schedule>(
        credential,
        'PUT',
        `/schedules/${id}`,
        change,
      );
      expected = { ...expected, ...effect, updated_at: body.updated_at };
      expect([change, status, body]).toEqual([change, 200, expected]);
      expect(await world.read(credential, id)).toEqual(expected);
    }
    expect(Date.parse(expected.updated_at)).toBeGreaterThan(Date.parse(before.updated_at));
  });

  it.each([
    ['the expression', { cron_expression: '30 0 1 1 *' }, /-01-01T00:30:00/],
    ['the zone', { timezone: '-01:00' }, /-01-01T01:00:00/],
    ['both', { cron_expression: '0 12 1 1 *', timezone: '+02:00' }, /-01-01T10:00:00/],
  ])('plans the next fire anew when %s changes', async (_name, change, expected) => {
    const { credential } = world.key();
    const id = await world.make(credential);
    for (const before of ['active', 'paused']) {
      if (before === 'paused') {
        await world.call(credential, 'PUT', `/schedules/${id}`, {
          cron_expression: yearly,
          timezone: 'UTC',
          is_active: false,
        });
      }
      const { body } = await world.call(credential, 'PUT', `/schedules/${id}`, change);
      expect(body['next_run_at']).toMatch(expected);
      expect(Date.parse(String(body['next_run_at']))).toBeGreaterThan(Date.now());
    }
  });

  it('leaves a tick that is due alone when the ticks stay the same', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    await world.call(credential, 'POST', `/schedules/${id}/pause`);
    const tick = await world.makeDue([id], 60);
    const { body } = await world.call(credential, 'PUT', `/schedules/${id}`, {
      name: 'other',
      cron_expression: yearly,
    });
    expect(body['next_run_at']).toBe(tick.toISOString());
  });

  it.each([
    ['an empty name', { name: '' }, 'name'],
    ['a bad expression', { cron_expression: '* * * * 8' }, 'cron_expression'],
    ['a date that never comes', { cron_expression: '0 0 30 2 *' }, 'cron_expression'],
    ['an unknown zone', { timezone: 'Nowhere' }, 'timezone'],
    ['a priority of 101', { priority: 101 }, 'priority'],
    ['is_active that is a word', { is_active: 'yes' }, 'is_active'],
  ])('refuses %s and changes nothing', async (_name, change, field) => {
    const { credential } = world.key();
    const id = await world.make(credential);
    const before = await world.read(credential, id);
    const { status, body } = await world.call(credential, 'PUT', `/schedules/${id}`, {
      description: 'new',
      ...change,
    });
    expect([status, body['code']]).toEqual([400, 'VALIDATION_ERROR']);
    expect(body['details']).toContainEqual(expect.objectContaining({ field }));
    expect(await world.read(credential, id)).toEqual(before);
  });
});

describe('pause and resume', () => {
  it('stop and restart a schedule, and plan its next fire anew', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    const { next_run_at } = await world.read(credential, id);
    const paused = await world.call<Schedule>(credential, 'POST', `/schedules/${id}/pause`);
    expect([paused.status, paused.body.is_active]).toEqual([200, false]);
    await world.makeDue([id], 3600);
    const resumed = await world.call<Schedule>(credential, 'POST', `/schedules/${id}/resume`);
    expect([resumed.status, resumed.body]).toEqual([
      200,
      { ...paused.body, is_active: true, next_run_at, updated_at: resumed.body.updated_at },
    ]);
  });

  it('find nothing to do the second time', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    for (const verb of ['pause', 'pause', 'resume', 'resume']) {
      const { status, body } = await world.call(credential, 'POST', `/schedules/${id}/${verb}`);
      expect([status, body['is_active']]).toEqual([200, verb === 'resume']);
    }
  });
});

describe('DELETE /schedules/{id}', () => {
  it('removes the schedule and what was known of its runs', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    await world.call(credential, 'POST', `/schedules/${id}/trigger`);
    const first = await world.call(credential, 'DELETE', `/schedules/${id}`);
    expect([first.status, first.text]).toEqual([204, '']);
    for (const [method, suffix, body] of actions) {
      const answer = await world.call(credential, method, `/schedules/${id}${suffix}`, body);
      expect([method, suffix, answer.status]).toEqual([method, suffix, 404]);
    }
    expect((await world.call<unknown[]>(credential, 'GET', '/schedules')).body).toEqual([]);
  });
});

describe('GET /schedules', () => {
  it('lists in pages, newest first', async () => {
    const { credential } = world.key();
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift(await world.make(credential));
    const page = async (query: string) =>
      (await world.call<Schedule[]>(credential, 'GET', `/schedules${query}`)).body.map(
        ({ id }) => id,
      );
    expect(await page('')).toEqual(ids);
    expect(await page('?limit=2')).toEqual(ids.slice(0, 2));
    expect(await page('?limit=2&offset=3')).toEqual(ids.slice(3));
    expect(await page('?limit=0')).toEqual(ids.slice(0, 1));
    expect(await page('?limit=501&offset=-1')).toEqual(ids);
    expect(await page(`?organization_id=${unknownId}`)).toEqual(ids);
    expect((await world.call(credential, 'GET', '/schedules?limit=many')).status).toBe(400);
    const { body } = await world.call<Schedule[]>(credential, 'GET', '/schedules?limit=1');
    expect(body[0]).toEqual(await world.read(credential, ids[0]!));
  });

  it('lists 100 unless asked for more, and never more than 500', async () => {
    const { organizationId, credential } = world.key();
    await world.makeMany(organizationId, 510);
    for (const [query, count] of [
      ['', 100],
      ['?limit=500', 500],
      ['?limit=9999', 500],
    ] as const) {
      const { body } = await world.call<Schedule[]>(credential, 'GET', `/schedules${query}`);
      expect(body).toHaveLength(count);
    }
  });

  it('says so when the payloads of a page are too large for one answer', async () => {
    const { organizationId, credential } = world.key();
    await world.makeMany(organizationId, 7, { payload: JSON.stringify('x'.repeat(5_000_000)) });
    const refused = await world.call(credential, 'GET', '/schedules');
    expect([refused.status, refused.body['code']]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    const { body } = await world.call<Schedule[]>(credential, 'GET', '/schedules?limit=2');
    expect(body.map(({ payload_template }) => String(payload_template).length)).toEqual([
      5_000_000, 5_000_000,
    ]);
  });
});

describe('the queue scope of a key', () => {
  it('refuses to make or trigger out of scope, and hides what exists', async () => {
    const full = world.key();
    const scoped = world.key({ organizationId: full.organizationId, queues: ['reports'] });
    const id = await world.make(full.credential);
    const mine = await world.make(scoped.credential, { queue_name: 'reports' });
    for (const path of ['/schedules', `/schedules/${id}/trigger`]) {
      const refused = await world.call(scoped.credential, 'POST', path, valid);
      expect([refused.status, refused.body['code']]).toEqual([403, 'ACCESS_DENIED']);
    }
    const before = await world.read(full.credential, id);
    for (const [method, suffix, body] of actions) {
      if (suffix === '/trigger') continue;
      const answer = await world.call(scoped.credential, method, `/schedules/${id}${suffix}`, body);
      expect([method, suffix, answer.status]).toEqual([method, suffix, 404]);
    }
    expect(await world.read(full.credential, id)).toEqual(before);
    const seen = await world.call<Schedule[]>(scoped.credential, 'GET', '/schedules');
    expect(seen.body.map((schedule) => schedule.id)).toEqual([mine]);
    const statuses: number[] = [];
    for (const suffix of ['/pause', '/resume', '/trigger']) {
      const path = `/schedules/${mine}${suffix}`;
      statuses.push((await world.call(scoped.credential, 'POST', path)).status);
    }
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await world.call(
        scoped.credential,
        method,
        `/schedules/${mine}`,
        method === 'PUT' ? {} : undefined,
      );
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 204]);
  });
});

describe('while job-api is away', () => {
  it('nothing becomes active on a further queue, and everything else goes on', async () => {
    const { organizationId, credential } = world.key();
    const a = await world.make(credential, { queue_name: 'a' });
    const b = await world.make(credential, { queue_name: 'b' });
    await world.jobApi.stop();
    try {
      const refused = await world.call(credential, 'POST', '/schedules', {
        ...valid,
        queue_name: 'c',
      });
      expect([refused.status, refused.body['code']]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      await world.make(credential, { queue_name: 'a' });
      expect((await world.call(credential, 'POST', `/schedules/${b}/pause`)).status).toBe(200);
      expect((await world.call(credential, 'POST', `/schedules/${b}/resume`)).status).toBe(503);
      expect((await world.call(credential, 'DELETE', `/schedules/${b}`)).status).toBe(204);
      expect((await world.call(credential, 'PUT', `/schedules/${a}`, { name: 'x' })).status).toBe(
        200,
      );
    } finally {
      await world.jobApi.start();
    }
    expect(world.jobApi.queues.get(organizationId)).toEqual(['a', 'b']);
  });
});
