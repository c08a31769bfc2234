import { webhooksRpc, type Webhook } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { createHmac, randomUUID } from 'node:crypto';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Receiver } from './receiver.js';
import { completed, free, World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const valid = { name: 'hook', url: 'https://example.com/hook', events: ['job.completed'] };
const everyEvent = [
  ...['job.created', 'job.started', 'job.completed', 'job.failed', 'job.cancelled'],
  ...['queue.paused', 'queue.resumed', 'worker.registered', 'worker.deregistered'],
  'schedule.triggered',
];

const create = (credential: string, body: unknown) =>
  world.call<Webhook>(credential, 'POST', '/outgoing-webhooks', body);
const update = (credential: string, id: string, body: unknown) =>
  world.call<Webhook>(credential, 'PUT', `/outgoing-webhooks/${id}`, body);

describe('a webhook', () => {
  it('is made with the fields of the contract and no others, and read the same', async () => {
    const { organizationId, credential } = world.key();
    const { status, body } = await create(credential, {
      ...valid,
      events: everyEvent,
      secret: 'whsec_dGVzdA==',
      unknown: true,
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      organization_id: organizationId,
      name: 'hook',
      url: valid.url,
      events: everyEvent,
      enabled: true,
      failure_count: 0,
      last_triggered_at: null,
      last_status: null,
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    expect(await world.read(credential, body.id)).toEqual(body);
    const list = await world.call(credential, 'GET', '/outgoing-webhooks');
    expect(list.body).toEqual([body]);
  });

  it('is listed with the others of its organization, newest first', async () => {
    const { credential } = world.key();
    const ids = [];
    for (let count = 0; count < 3; count += 1) ids.push((await world.make(credential)).id);
    await world.make(world.key().credential);
    const { body } = await world.call<Webhook[]>(credential, 'GET', '/outgoing-webhooks');
    expect(body.map(({ id }) => id)).toEqual(ids.reverse());
  });

  it.each([
    ['name', ''],
    ['name', 'n'.repeat(256)],
    ['name', undefined],
    ['url', ''],
    ['url', undefined],
    ['url', `https://example.com/${'a'.repeat(2048)}`],
    ['events', []],
    ['events', ['job.done']],
    ['events', undefined],
    ['secret', 's'.repeat(256)],
    ['secret', 5],
    ['enabled', 'yes'],
  ])('is refused with %s %j', async (field, value) => {
    const { credential } = world.key();
    const { id } = await world.make(credential);
    const refused = {
      code: 'VALIDATION_ERROR',
      details: [{ field: expect.stringContaining(field) }],
    };
    const made = await create(credential, { ...valid, [field]: value });
    expect(made).toMatchObject({ status: 400, body: refused });
    if (value === undefined) return;
    expect(await update(credential, id, { [field]: value })).toMatchObject({
      status: 400,
      body: refused,
    });
  });

  it.each([
    ['http://example.com/', 'HTTP not allowed'],
    ['ftp://example.com/', 'must be https'],
    ['https://10.0.0.1/', 'address'],
    ['https://0x7f.1/', 'address'],
    ['https://postgres/', 'name'],
    ['https://metadata.google.internal/', 'name'],
    ['https://user:pass@example.com/', 'credentials'],
    ['nonsense', 'not a URL'],
  ])('is refused for the URL %s', async (url, why) => {
    const { credential } = world.key();
    const { id } = await world.make(credential);
    for (const answer of [
      await create(credential, { ...valid, url }),
      await update(credential, id, { url }),
    ]) {
      expect(answer).toMatchObject({
        status: 400,
        body: {
          code: 'VALIDATION_ERROR',
          message: expect.stringMatching(new RegExp(`Invalid webhook URL: .*${why}`)),
          details: [{ field: 'url' }],
        },
      });
    }
  });

  it('changes where a request says, and nowhere else', async () => {
    const { credential } = world.key();
    const made = await world.make(credential, { secret: 'old' });
    const stored = async () =>
      (await world.owner.query('select * from webhooks.endpoint where id = $1', [made.id])).rows[0];
    const before = await stored();
    expect((await update(credential, made.id, {})).body).toMatchObject({
      ...made,
      updated_at: expect.any(String),
    });
    expect(await stored()).toEqual({ ...before, updated_at: expect.any(Date) });
    const changed = {
      name: 'other',
      url: 'https://example.com/other',
      events: ['job.failed'],
      enabled: false,
    };
    expect((await update(credential, made.id, changed)).body).toMatchObject(changed);
    expect((await stored()).secret).toEqual(before.secret);
    await update(credential, made.id, { secret: null });
    expect((await stored()).secret).toBeNull();
  });

  it('is gone once it is deleted', async () => {
    const { credential } = world.key();
    const { id } = await world.make(credential);
    const path = `/outgoing-webhooks/${id}`;
    expect(await world.call(credential, 'DELETE', path)).toMatchObject({ status: 204, text: '' });
    for (const [method, at] of [
      ['GET', path],
      ['PUT', path],
      ['DELETE', path],
      ['POST', `${path}/test`],
      ['GET', `${path}/deliveries`],
      ['POST', `${path}/retry/${randomUUID()}`],
    ] as const) {
      const answer = await world.call(credential, method, at, method === 'PUT' ? {} : undefined);
      expect(answer).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    }
  });

  it('of another organization, and what is no id, is unknown', async () => {
    const { credential } = world.key();
    const foreign = await world.make(world.key().credential);
    for (const id of [foreign.id, randomUUID(), 'none', '%00']) {
      for (const [method, at] of [
        ['GET', ''],
        ['PUT', ''],
        ['DELETE', ''],
        ['POST', '/test'],
        ['GET', '/deliveries'],
      ] as const) {
        const path = `/outgoing-webhooks/${id}${at}`;
        const answer = await world.call(
          credential,
          method,
          path,
          method === 'PUT' ? {} : undefined,
        );
        expect([path, answer.status]).toEqual([path, 404]);
      }
    }
  });

  it('is for keys that may use every queue', async () => {
    const { organizationId, credential } = world.key();
    const scoped = world.key({ organizationId, queues: ['emails'] });
    const { id } = await world.make(credential);
    for (const [method, path] of [
      ['GET', ''],
      ['POST', ''],
      ['GET', `/${id}`],
      ['PUT', `/${id}`],
      ['DELETE', `/${id}`],
      ['POST', `/${id}/test`],
      ['GET', `/${id}/deliveries`],
      ['POST', `/${id}/retry/${randomUUID()}`],
    ] as const) {
      const at = `/outgoing-webhooks${path}`;
      expect(await world.call(scoped.credential, method, at)).toMatchObject({
        status: 403,
        body: { code: 'ACCESS_DENIED' },
      });
      expect((await world.call(undefined, method, at)).status).toBe(401);
    }
  });
});

describe('the plan', () => {
  it('limits enabled webhooks, however many are made or enabled at once', async () => {
    const { organizationId, credential } = world.key({ plan: { max_webhooks: 5 } });
    const answers = await Promise.all(Array.from({ length: 12 }, () => create(credential, valid)));
    const made = answers.filter(({ status }) => status === 201).map(({ body }) => body);
    expect(made).toHaveLength(5);
    expect(answers.find(({ status }) => status !== 201)).toMatchObject({
      status: 429,
      body: {
        code: 'QUOTA_EXCEEDED',
        error: 'limit_exceeded',
        resource: 'webhooks',
        current: 5,
        limit: 5,
      },
    });
    // Disabled ones are not counted, and charged when they are enabled.
    await update(credential, made[0]!.id, { enabled: false });
    await update(credential, made[1]!.id, { enabled: false });
    const disabled = await world.make(credential, { enabled: false });
    const again = await Promise.all(
      [made[0]!, made[1]!, disabled].map(({ id }) => update(credential, id, { enabled: true })),
    );
    expect(again.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
    // One that is enabled already is not charged once more.
    expect((await update(credential, made[2]!.id, { enabled: true })).status).toBe(200);
    const usage = await world.others.request(webhooksRpc.usage, { organizationId });
    expect(usage).toEqual({ webhooks: 5 });
  });

  it('of the free tier has one, a plan without any says so', async () => {
    const { credential } = world.key({ plan: free });
    await world.make(credential);
    expect(await create(credential, valid)).toMatchObject({
      status: 429,
      body: { plan: 'free', limit: 1, upgrade_to: 'starter' },
    });
    const none = world.key({ plan: { ...free, max_webhooks: 0 } });
    expect(await create(none.credential, valid)).toMatchObject({
      status: 403,
      body: { code: 'FEATURE_DISABLED', feature: 'webhooks' },
    });
  });
});

describe('a signing secret', () => {
  const secrets = [
    'plain text',
    `whsec_${Buffer.from('0123456789abcdef01234567').toString('base64')}`,
  ];

  const signatures = async (
    organizationId: string,
    receiver: Receiver,
  ): Promise<{ text: string; headers: Record<string, string> }> => {
    const before = receiver.received.length;
    await world.tell(organizationId, completed());
    await eventually(() => expect(receiver.received).toHaveLength(before + 1));
    const { text, headers } = receiver.received.at(-1)!;
    return { text, headers: headers as Record<string, string> };
  };
  const own = (secret: string, { text, headers }: Awaited<ReturnType<typeof signatures>>): string =>
    `sha256=${createHmac('sha256', secret)
      .update(`${headers['x-spooled-timestamp']}.${text}`)
      .digest('hex')}`;
  const standard = (secret: string): StandardWebhook =>
    secret.startsWith('whsec_')
      ? new StandardWebhook(secret)
      : new StandardWebhook(secret, { format: 'raw' });

  it.each(secrets)('signs as the contract and as Standard Webhooks say: %s', async (secret) => {
    const receiver = await Receiver.start();
    const { organizationId, credential } = world.key();
    await world.make(credential, { url: receiver.url, secret });
    const sent = await signatures(organizationId, receiver);
    expect(sent.headers['x-spooled-signature']).toBe(own(secret, sent));
    expect(standard(secret).verify(sent.text, sent.headers)).toEqual(JSON.parse(sent.text));
    expect(() => standard('wrong').verify(sent.text, sent.headers)).toThrow();
  });

  it('is rotated: until an instant the one before signs too', async () => {
    const receiver = await Receiver.start();
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url, secret: 'old' });
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const request = { secret: 'new', previous_secret_until: until };
    expect((await update(credential, id, request)).status).toBe(200);
    const both = await signatures(organizationId, receiver);
    expect(both.headers['x-spooled-signature']).toBe(own('new', both));
    expect(both.headers['x-spooled-signature-previous']).toBe(own('old', both));
    for (const secret of ['old', 'new']) standard(secret).verify(both.text, both.headers);
    // Other changes leave it so.
    await update(credential, id, { name: 'renamed' });
    const still = await signatures(organizationId, receiver);
    standard('old').verify(still.text, still.headers);
    await world.owner.query(
      `update webhooks.endpoint set previous_secret_until = now() - interval '1 second' where id = $1`,
      [id],
    );
    const after = await signatures(organizationId, receiver);
    expect(after.headers).not.toHaveProperty('x-spooled-signature-previous');
    standard('new').verify(after.text, after.headers);
    expect(() => standard('old').verify(after.text, after.headers)).toThrow();
  });

  it('is replaced at once unless a request says otherwise, and removed by null', async () => {
    const receiver = await Receiver.start();
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url, secret: 'old' });
    await update(credential, id, { secret: 'new' });
    const sent = await signatures(organizationId, receiver);
    expect(() => standard('old').verify(sent.text, sent.headers)).toThrow();
    standard('new').verify(sent.text, sent.headers);
    for (const secret of [null, '']) {
      await update(credential, id, { secret: 'again' });
      await update(credential, id, { secret });
      const unsigned = await signatures(organizationId, receiver);
      expect(unsigned.headers).not.toHaveProperty('x-spooled-signature');
      expect(unsigned.headers).not.toHaveProperty('webhook-signature');
    }
  });

  it.each([
    ['without a new one', {}],
    ['for more than 7 days', { secret: 'new', ahead: 8 * 24 * 3_600_000 }],
  ])('does not overlap %s', async (_name, { ahead = 1000, ...request }: { ahead?: number }) => {
    const { credential } = world.key();
    const { id } = await world.make(credential, { secret: 'old' });
    const previous_secret_until = new Date(Date.now() + ahead).toISOString();
    expect(await update(credential, id, { ...request, previous_secret_until })).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR', details: [{ field: 'previous_secret_until' }] },
    });
  });

  it('is shown nowhere and stored encrypted, for its endpoint alone', async () => {
    const receiver = await Receiver.start();
    const { credential } = world.key();
    const secret = 'do-not-tell-do-not-tell';
    const made = await create(credential, { ...valid, url: receiver.url, secret });
    const other = await world.make(credential, { url: receiver.url, events: ['job.failed'] });
    const seen = [
      made,
      await update(credential, made.body.id, { secret, name: 'x' }),
      await world.call(credential, 'GET', '/outgoing-webhooks'),
      await world.call(credential, 'GET', `/outgoing-webhooks/${made.body.id}`),
      await world.call(credential, 'GET', `/outgoing-webhooks/${made.body.id}/deliveries`),
      await create(credential, { ...valid, url: 'http://a.b', secret }),
    ];
    for (const { text } of seen) expect(text).not.toContain(secret);
    const { rows } = await world.owner.query<{ secret: Buffer }>(
      'select secret from webhooks.endpoint where id = $1',
      [made.body.id],
    );
    expect(rows[0]!.secret.toString('latin1')).not.toContain(secret);
    // Somebody who can write the table but has no key gains nothing by moving it.
    await world.owner.query('update webhooks.endpoint set secret = $2 where id = $1', [
      other.id,
      rows[0]!.secret,
    ]);
    const test = await world.call(credential, 'POST', `/outgoing-webhooks/${other.id}/test`);
    expect(test.body).toMatchObject({
      success: false,
      error: expect.stringContaining('signing secret'),
    });
    expect(receiver.received).toEqual([]);
  });
});

describe('webhooks.forget-organization', () => {
  it('leaves nothing of the organization, and keeps what others have', async () => {
    const [own, other] = [world.key(), world.key()];
    for (const { organizationId, credential } of [own, other]) {
      const { id } = await world.make(credential);
      await world.tell(organizationId, completed());
      await eventually(async () => expect(await world.deliveries(credential, id)).toHaveLength(1));
    }
    const { organizationId } = own;
    const forget = () => world.others.request(webhooksRpc.forgetOrganization, { organizationId });
    // Whoever has not enough time for all of it is asked again.
    await eventually(async () => expect(await forget()).toEqual({ isDone: true }));
    for (const table of ['endpoint', 'follower', 'delivery']) {
      const { rows } = await world.owner.query<{ organization_id: string }>(
        `select organization_id from webhooks.${table} where organization_id = any ($1)`,
        [[own.organizationId, other.organizationId]],
      );
      expect([table, rows]).toEqual([table, [{ organization_id: other.organizationId }]]);
    }
    expect(await forget()).toEqual({ isDone: true });
  });
});
