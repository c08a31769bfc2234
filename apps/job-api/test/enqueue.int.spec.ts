import type { LoggedEvent } from '@spooled/contracts';
import { randomUUID } from 'node:crypto';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const minimal = { queue_name: 'emails', payload: { to: 'a@b.c' } };
const post = (tenant: Tenant, over: Record<string, unknown>) =>
  tenant.call('POST', '/jobs', { ...minimal, ...over });

/** A row of a table of fields, with a value short enough to stand in the name of a test. */
function named([field, value]: unknown[]) {
  const shown = (JSON.stringify(value) ?? 'nothing').slice(0, 40);
  return { field: String(field), value, shown };
}

async function countJobs(tenant: Tenant): Promise<number> {
  const { rows } = await world.owner.query<{ count: number }>(
    'select count(*)::int as count from jobs.job where organization_id = $1',
    [tenant.organizationId],
  );
  return rows[0]!.count;
}

describe('POST /jobs', () => {
  it('answers 201 with a new id and stores the job with its defaults', async () => {
    const tenant = world.key();
    const { status, body } = await post(tenant, {});
    expect(status).toBe(201);
    expect(body).toEqual({ id: expect.any(String), created: true });
    expect(await tenant.job(String(body['id']))).toEqual({
      id: body['id'],
      organization_id: tenant.organizationId,
      queue_name: 'emails',
      status: 'pending',
      payload: { to: 'a@b.c' },
      result: null,
      retry_count: 0,
      max_retries: 3,
      last_error: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      scheduled_at: null,
      started_at: null,
      completed_at: null,
      expires_at: null,
      priority: 0,
      tags: null,
      timeout_seconds: 300,
      parent_job_id: null,
      completion_webhook: null,
      assigned_worker_id: null,
      lease_id: null,
      lease_expires_at: null,
      idempotency_key: null,
      updated_at: expect.any(String),
      workflow_id: null,
      dependency_mode: null,
      dependencies_met: true,
      progress: null,
    });
  });

  it('stores every field it is given and never returns the webhook secret', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({
      priority: -100,
      max_retries: 0,
      timeout_seconds: 86_400,
      scheduled_at: '2090-01-01T02:00:00.5+02:00',
      expires_at: '2091-01-01T00:00:00Z',
      tags: { team: 'blue' },
      completion_webhook: 'https://example.com/hook',
      completion_webhook_secret: 'do-not-tell',
      idempotency_key: 'k-1',
    });
    const { text, body } = await tenant.call('GET', `/jobs/${id}`);
    expect(body).toMatchObject({
      status: 'scheduled',
      priority: -100,
      max_retries: 0,
      timeout_seconds: 86_400,
      scheduled_at: '2090-01-01T00:00:00.500Z',
      expires_at: '2091-01-01T00:00:00.000Z',
      tags: { team: 'blue' },
      completion_webhook: 'https://example.com/hook',
      idempotency_key: 'k-1',
    });
    expect(text).not.toContain('do-not-tell');
  });

  it.each([
    ['a number', '42'],
    ['text', '"hi"'],
    ['a list', '[1,{"a":null}]'],
    ['null', 'null'],
    ['false', 'false'],
    ['an integer beyond a double', '{"n":123456789012345678901234567890}'],
    ['a fraction beyond a double', '{"n":0.12345678901234567890123}'],
    ['NUL and a lone surrogate', '{"a":"\\u0000","b":"\\ud800"}'],
    ['a key named __proto__', '{"__proto__":{"a":1}}'],
    ['a number beyond every range', '{"n":1e999}'],
  ])('keeps a payload that is %s, to the digit', async (_, payload) => {
    const tenant = world.key();
    const { status, body } = await tenant.call(
      'POST',
      '/jobs',
      `{"queue_name":"emails","payload":${payload}}`,
    );
    expect(status).toBe(201);
    const { text } = await tenant.call('GET', `/jobs/${String(body['id'])}`);
    expect(text).toContain(`"payload":${payload}`);
    const claimed = await tenant.call('POST', '/jobs/claim', {
      queue_name: 'emails',
      worker_id: 'w',
    });
    expect(claimed.text).toContain(`"payload":${payload}`);
  });

  const longTags = (length: number): object => ({ t: 'x'.repeat(length - '{"t":""}'.length) });
  it.each(
    [
      ['queue_name', 'a'],
      ['queue_name', `_${'a'.repeat(99)}`],
      ['queue_name', 'A.b-c_9'],
      ['priority', -100],
      ['priority', 100],
      ['max_retries', 0],
      ['max_retries', 100],
      ['max_retries', null],
      ['timeout_seconds', 1],
      ['timeout_seconds', 86_400],
      ['timeout_seconds', null],
      ['scheduled_at', '1999-12-31T23:59:59+14:00'],
      ['scheduled_at', null],
      ['expires_at', '2099-12-31T23:59:59.123456Z'],
      ['tags', []],
      ['tags', ['a', 1]],
      ['tags', longTags(65_536)],
      ['completion_webhook', null],
      ['completion_webhook_secret', 's'.repeat(255)],
      ['idempotency_key', 'k'],
      ['idempotency_key', 'k'.repeat(255)],
      ['parent_job_id', null],
      ['no_such_field', { is: 'ignored' }],
    ].map(named),
  )('accepts $field = $shown', async ({ field, value }) => {
    const tenant = world.key();
    expect((await post(tenant, { [field]: value })).status).toBe(201);
  });

  it.each(
    [
      ['queue_name', undefined],
      ['queue_name', null],
      ['queue_name', 5],
      ['queue_name', ''],
      ['queue_name', 'a'.repeat(101)],
      ['queue_name', '.a'],
      ['queue_name', '-a'],
      ['queue_name', 'a b'],
      ['queue_name', 'ä'],
      ['queue_name', 'a\n'],
      ['queue_name', 'a\u0000'],
      ['payload', undefined],
      ['priority', -101],
      ['priority', 101],
      ['priority', 1.5],
      ['priority', '1'],
      ['priority', true],
      ['max_retries', -1],
      ['max_retries', 101],
      ['max_retries', '3'],
      ['timeout_seconds', 0],
      ['timeout_seconds', 86_401],
      ['scheduled_at', 'tomorrow'],
      ['scheduled_at', 1_700_000_000],
      ['scheduled_at', '2030-01-01'],
      ['scheduled_at', '2030-02-30T00:00:00Z'],
      ['scheduled_at', '2030-01-01T00:00:00'],
      ['scheduled_at', '0000-01-01T00:00:00Z'],
      ['scheduled_at', '0001-01-01T00:00:00+14:00'],
      ['scheduled_at', '9999-12-31T23:59:59-14:00'],
      ['expires_at', 'never'],
      ['tags', 'red'],
      ['tags', 7],
      ['tags', longTags(65_537)],
      ['tags', { a: 'x\u0000' }],
      ['tags', { 'x\u0000': 1 }],
      ['tags', ['\ud800']],
      ['completion_webhook', 'not a url'],
      ['completion_webhook', 'https://user:pw@example.com/'],
      ['completion_webhook', `https://example.com/${'a'.repeat(2048)}`],
      ['completion_webhook', 'ftp://example.com/'],
      ['completion_webhook', 'http://example.com/'],
      ['completion_webhook', 'https://169.254.169.254/latest/meta-data/'],
      ['completion_webhook', 'https://postgres/'],
      ['completion_webhook_secret', 's'.repeat(256)],
      ['completion_webhook_secret', 'a\u0000'],
      ['idempotency_key', ''],
      ['idempotency_key', 'k'.repeat(256)],
      ['idempotency_key', 'a\u0000b'],
      ['idempotency_key', 12],
      ['parent_job_id', 'not-an-id'],
      ['parent_job_id', randomUUID()],
      ['parent_job_id', ''],
      ['parent_job_id', 3],
    ].map(named),
  )('refuses $field = $shown and inserts nothing', async ({ field, value }) => {
    const tenant = world.key();
    const { status, body } = await post(tenant, { [field]: value });
    expect({ status, body }).toMatchObject({
      status: 400,
      body: {
        code: 'VALIDATION_ERROR',
        error: 'Validation failed',
        message: expect.stringContaining(field),
        details: expect.arrayContaining([
          expect.objectContaining({ field: expect.stringMatching(`^${field}`) }),
        ]),
      },
    });
    expect(await countJobs(tenant)).toBe(0);
  });

  it('refuses tags whose numbers no database column holds', async () => {
    const tenant = world.key();
    const body = '{"queue_name":"emails","payload":1,"tags":{"n":1e200000}}';
    expect((await tenant.call('POST', '/jobs', body)).status).toBe(400);
  });

  it('says which webhook URLs it does not take', async () => {
    const { body } = await post(world.key(), { completion_webhook: 'http://example.com/' });
    expect(body['message']).toMatch(/Invalid webhook URL.*HTTP not allowed/);
  });

  it.each([
    ['', 'VALIDATION_ERROR'],
    ['{', 'INVALID_JSON'],
    ['{"a":1}}', 'INVALID_JSON'],
    ["{'a':1}", 'INVALID_JSON'],
    ['null', 'VALIDATION_ERROR'],
    ['[]', 'VALIDATION_ERROR'],
    ['"text"', 'VALIDATION_ERROR'],
  ])('answers the body %j with %s', async (body, code) => {
    const answer = await world.key().call('POST', '/jobs', body);
    expect({ status: answer.status, code: answer.body['code'] }).toEqual({ status: 400, code });
  });

  it('refuses a payload over the plan with 413 and its numbers, and takes one at the limit', async () => {
    const tenant = world.key({ plan: { tier: 'free', max_payload_size_bytes: 100 } });
    const payload = 'x'.repeat(98);
    expect((await post(tenant, { payload })).status).toBe(201);
    const { status, body } = await post(tenant, { payload: `${payload}x` });
    expect({ status, body }).toEqual({
      status: 413,
      body: {
        code: 'PAYLOAD_TOO_LARGE',
        error: 'payload_too_large',
        message: expect.any(String),
        current: 101,
        limit: 100,
        plan: 'free',
        upgrade_to: true,
      },
    });
    // Bytes, not characters.
    expect((await post(tenant, { payload: 'ü'.repeat(50) })).status).toBe(413);
    expect(await countJobs(tenant)).toBe(1);
  });

  it('takes the largest payload of the largest plan', async () => {
    const tenant = world.key();
    const payload = 'x'.repeat(5 * 1024 * 1024 - 2);
    expect((await post(tenant, { payload })).status).toBe(201);
    expect((await post(tenant, { payload: `${payload}y` })).status).toBe(413);
  });

  it('refuses a queue outside the scope of the key with 403', async () => {
    const tenant = world.key({ queues: ['reports'] });
    const { status, body } = await post(tenant, {});
    expect({ status, code: body['code'] }).toEqual({ status: 403, code: 'ACCESS_DENIED' });
    expect((await post(tenant, { queue_name: 'reports' })).status).toBe(201);
    expect(await countJobs(tenant)).toBe(1);
  });

  it('takes retries and time-out from the queue when the job names none', async () => {
    const tenant = world.key();
    await tenant.call('PUT', '/queues/emails/config', { max_retries: 7, default_timeout: 11 });
    const plain = await tenant.job(await tenant.enqueue());
    expect(plain).toMatchObject({ max_retries: 7, timeout_seconds: 11 });
    const own = await tenant.job(await tenant.enqueue({ max_retries: 1, timeout_seconds: 2 }));
    expect(own).toMatchObject({ max_retries: 1, timeout_seconds: 2 });
  });

  it('runs a job at once whose time is past', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ scheduled_at: '2020-01-01T00:00:00Z' });
    expect(await tenant.job(id)).toMatchObject({
      status: 'pending',
      scheduled_at: '2020-01-01T00:00:00.000Z',
    });
    expect((await tenant.claim()).map((job) => job.id)).toEqual([id]);
  });

  it('tells of the new job once, as revision 1', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ priority: 9 });
    expect(await tenant.events()).toEqual([
      {
        type: 'JobCreated',
        data: {
          job_id: id,
          queue_name: 'emails',
          priority: 9,
          status: 'pending',
          rev: 1,
          timestamp: (await tenant.job(id)).created_at,
        },
      },
    ]);
  });
});

describe('an idempotency key', () => {
  it('answers the first job with 200, whatever the payload and the queue, and tells nobody', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue({ idempotency_key: 'k' });
    const before = await tenant.job(id);
    const { status, body } = await post(tenant, {
      queue_name: 'other',
      payload: 'other',
      idempotency_key: 'k',
    });
    expect({ status, body }).toEqual({ status: 200, body: { id, created: false } });
    const after = await tenant.job(id);
    expect(after).toEqual({ ...before, updated_at: after.updated_at });
    expect(Date.parse(after.updated_at)).toBeGreaterThan(Date.parse(before.updated_at));
    expect(await tenant.story(id)).toEqual(['JobCreated 1']);
    expect(await countJobs(tenant)).toBe(1);
    expect(await tenant.stats()).toMatchObject({ total: 1 });
  });

  it('may come as a header; the body wins', async () => {
    const tenant = world.key();
    const header = { 'idempotency-key': 'from-header' };
    const first = await tenant.call<{ id: string }>('POST', '/jobs', minimal, header);
    const again = await tenant.call('POST', '/jobs', minimal, header);
    expect(again.body).toEqual({ id: first.body.id, created: false });
    expect((await tenant.job(first.body.id)).idempotency_key).toBe('from-header');
    const own = { ...minimal, idempotency_key: 'from-body' };
    const other = await tenant.call('POST', '/jobs', own, header);
    expect(other.body).toMatchObject({ created: true });
  });

  it('as a header has the same bounds', async () => {
    const tenant = world.key();
    const send = (key: string) => tenant.call('POST', '/jobs', minimal, { 'idempotency-key': key });
    expect((await send('k'.repeat(255))).status).toBe(201);
    expect(await send('k'.repeat(256))).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR' },
    });
  });

  it('holds for every status of the job', async () => {
    const tenant = world.key();
    const cancelled = await tenant.enqueue({ idempotency_key: 'c' });
    await tenant.cancel(cancelled);
    const { id: completed } = await tenant.leased({ idempotency_key: 'd' });
    await tenant.complete(completed);
    for (const [key, id] of [
      ['c', cancelled],
      ['d', completed],
    ]) {
      expect((await post(tenant, { idempotency_key: key })).body).toEqual({ id, created: false });
    }
  });

  it('of another organization is another key', async () => {
    const [one, two] = [world.key(), world.key()];
    const first = await one.enqueue({ idempotency_key: 'k' });
    expect(await two.enqueue({ idempotency_key: 'k' })).not.toBe(first);
  });

  it('of a job outside the scope answers 409 without the id', async () => {
    const full = world.key();
    const id = await full.enqueue({ idempotency_key: 'k' });
    const scoped = world.key({ organizationId: full.organizationId, queues: ['reports'] });
    const { status, body, text } = await post(scoped, {
      queue_name: 'reports',
      idempotency_key: 'k',
    });
    expect({ status, code: body['code'] }).toEqual({ status: 409, code: 'CONFLICT' });
    expect(text).not.toContain(id);
  });

  it('sent by twenty callers at once inserts exactly one job', async () => {
    const tenant = world.key();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post(tenant, { idempotency_key: 'race' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([
      ...Array.from({ length: 19 }, () => 200),
      201,
    ]);
    expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1);
    expect(await countJobs(tenant)).toBe(1);
    expect(await tenant.events()).toHaveLength(1);
  });

  it('stays exact when many callers mix a few keys in every order', async () => {
    const tenant = world.key();
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, turn) => {
        const order = turn % 2 === 0 ? keys : keys.toReversed();
        return tenant.call<{ succeeded: { job_id: string; created: boolean }[] }>(
          'POST',
          '/jobs/bulk',
          {
            queue_name: 'emails',
            jobs: order.map((key) => ({ payload: turn, idempotency_key: key })),
          },
        );
      }),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const items = answers.flatMap(({ body }) => body.succeeded);
    expect(items).toHaveLength(300);
    expect(items.filter(({ created }) => created)).toHaveLength(5);
    expect(new Set(items.map(({ job_id }) => job_id)).size).toBe(5);
    expect(await countJobs(tenant)).toBe(5);
  });
});

describe('POST /jobs/bulk', () => {
  const bulk = (tenant: Tenant, body: object) =>
    tenant.call<{
      succeeded: { index: number; job_id: string; created: boolean }[];
      failed: { index: number; error: string }[];
      total: number;
      success_count: number;
      failure_count: number;
    }>('POST', '/jobs/bulk', { queue_name: 'emails', ...body });

  it('inserts in the order of the array, with defaults and own values', async () => {
    const tenant = world.key();
    const { status, body } = await bulk(tenant, {
      jobs: Array.from({ length: 100 }, (_, n) => ({ payload: n })),
      default_priority: 5,
      default_max_retries: 1,
      default_timeout_seconds: 9,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ total: 100, success_count: 100, failure_count: 0, failed: [] });
    expect(body.succeeded.map(({ index }) => index)).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    );
    const claimed = await tenant.claim({ limit: 100 });
    expect(claimed.map(({ payload }) => payload)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(claimed[0]).toMatchObject({ priority: 5, max_retries: 1, timeout_seconds: 9 });
  });

  it('lets a bad item fail alone', async () => {
    const tenant = world.key({ plan: { max_payload_size_bytes: 50 } });
    const { status, body } = await bulk(tenant, {
      jobs: [
        { payload: 'ok', priority: 100 },
        { payload: 'x'.repeat(60) },
        {},
        { payload: 1, priority: 101 },
        { payload: 1, scheduled_at: 'later' },
        { payload: 1, idempotency_key: 'a\u0000' },
        'text',
        null,
        { payload: 'ok', scheduled_at: '2090-01-01T00:00:00Z' },
      ],
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ total: 9, success_count: 2, failure_count: 7 });
    expect(body.succeeded.map(({ index }) => index)).toEqual([0, 8]);
    expect(body.failed.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(body.failed.every(({ error }) => error.length > 0)).toBe(true);
    expect(await tenant.stats()).toMatchObject({ pending: 1, scheduled: 1, total: 2 });
  });

  it('answers well when every item is bad', async () => {
    const { status, body } = await bulk(world.key(), { jobs: [{}, 5] });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { success_count: 0, failure_count: 2 },
    });
  });

  it('maps two items with one key to one job, and hits of before to theirs', async () => {
    const tenant = world.key();
    const known = await tenant.enqueue({ idempotency_key: 'known' });
    const { body } = await bulk(tenant, {
      jobs: ['known', 'new', 'new'].map((key) => ({ payload: 1, idempotency_key: key })),
    });
    const [first, second, third] = body.succeeded;
    expect(first).toEqual({ index: 0, job_id: known, created: false });
    expect(second).toMatchObject({ created: true });
    expect(third).toEqual({ index: 2, job_id: second!.job_id, created: false });
    expect(await countJobs(tenant)).toBe(2);
  });

  it('hides the job behind a key outside the scope', async () => {
    const full = world.key();
    const id = await full.enqueue({ idempotency_key: 'k' });
    const scoped = world.key({ organizationId: full.organizationId, queues: ['reports'] });
    const { body, text } = await bulk(scoped, {
      queue_name: 'reports',
      jobs: [{ payload: 1, idempotency_key: 'k' }, { payload: 2 }],
    });
    expect(body).toMatchObject({ success_count: 1, failure_count: 1, failed: [{ index: 0 }] });
    expect(text).not.toContain(id);
  });

  const items = (count: number) => Array.from({ length: count }, () => ({ payload: 1 }));
  it.each([
    ['no jobs', { jobs: [] }],
    ['101 jobs', { jobs: items(101) }],
    ['jobs that are no list', { jobs: { payload: 1 } }],
    ['jobs missing', {}],
    ['a bad queue', { jobs: items(1), queue_name: '.x' }],
    ['a default priority out of range', { jobs: items(1), default_priority: 101 }],
    ['default retries out of range', { jobs: items(1), default_max_retries: 101 }],
    ['a default time-out out of range', { jobs: items(1), default_timeout_seconds: 0 }],
  ])('refuses %s as a whole', async (_, body) => {
    const tenant = world.key();
    expect(await bulk(tenant, body)).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR' },
    });
    expect(await countJobs(tenant)).toBe(0);
  });

  it('refuses a queue outside the scope with 403', async () => {
    const tenant = world.key({ queues: ['reports'] });
    expect(await bulk(tenant, { jobs: items(1) })).toMatchObject({ status: 403 });
  });

  it('tells of the created jobs only, in order', async () => {
    const tenant = world.key();
    await tenant.enqueue({ idempotency_key: 'k' });
    const { body } = await bulk(tenant, {
      jobs: [{ payload: 1 }, { payload: 1, idempotency_key: 'k' }, { payload: 1 }],
    });
    const told = (await tenant.events())
      .slice(1)
      .map(({ data }) => 'job_id' in data && data.job_id);
    expect(told).toEqual([body.succeeded[0]!.job_id, body.succeeded[2]!.job_id]);
  });
});

describe('the trace context of an enqueue', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it('is given to the worker, and stands in the log, though nothing is recorded here', async () => {
    const tenant = world.key();
    const job = { payload: {} };
    const bulk = { queue_name: 'emails', jobs: [job] };
    await tenant.call('POST', '/jobs', minimal, { traceparent });
    await tenant.call('POST', '/jobs/bulk', bulk, { traceparent });
    const workflow = { name: 'w', jobs: [{ key: 'a', queue_name: 'emails', payload: {} }] };
    await tenant.call('POST', '/workflows', workflow, { traceparent });
    const jobs = await tenant.claim({ limit: 10 });
    expect(jobs.map((each) => each.traceparent)).toEqual([traceparent, traceparent, traceparent]);
    const events: readonly LoggedEvent[] = await tenant.events();
    expect(events.map((event) => [event.type, event.traceparent])).toEqual([
      ...Array.from({ length: 3 }, () => ['JobCreated', traceparent]),
      ...Array.from({ length: 3 }, () => ['JobStatusChange', traceparent]),
    ]);
  });

  it('is null without one, and when what was sent is none', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    const sent = { traceparent: 'nonsense' };
    expect((await tenant.call('POST', '/jobs', minimal, sent)).status).toBe(201);
    const jobs = await tenant.claim({ limit: 10 });
    expect(jobs.map((each) => each.traceparent)).toEqual([null, null]);
    expect(JSON.stringify(await tenant.events())).not.toContain('traceparent');
  });
});
