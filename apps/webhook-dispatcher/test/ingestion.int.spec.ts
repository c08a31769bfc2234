import { sign as signAsGithub } from '@octokit/webhooks-methods';
import {
  AppError,
  authRpc,
  jobsRpc,
  plans,
  type EnqueueCommand,
  type PlanLimits,
} from '@spooled/contracts';
import { HttpServer } from '@spooled/http';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { World } from './setup.js';

/** What auth knows of an organization. */
interface Host {
  plan: PlanLimits;
  webhookToken: string | null;
  githubSecret: string | null;
  stripeSecret: string | null;
}

let world: World;
const hosts = new Map<string, Host>();
/** job-api, as far as it is asked. */
const jobs = new Map<string, EnqueueCommand>();
const statuses = new Map<string, 'pending' | 'processing' | 'completed'>();
let refuse: (job: EnqueueCommand) => AppError | null = () => null;

beforeAll(async () => {
  world = await World.setup();
  world.others.respond(authRpc.ingestion, async ({ organizationId }) => ({
    organization: hosts.get(organizationId) ?? null,
  }));
  world.others.respond(jobsRpc.enqueue, async ({ jobs: asked }) => ({
    outcomes: asked.map((job) => {
      const refusal = refuse(job);
      if (refusal !== null) {
        const { code, message, extra } = refusal;
        return { failure: { code, message, extra } };
      }
      const same = [...jobs.values()].find(
        ({ organizationId, idempotencyKey }) =>
          organizationId === job.organizationId &&
          idempotencyKey !== null &&
          idempotencyKey === job.idempotencyKey,
      );
      if (same === undefined) jobs.set(job.id, job);
      const { id: jobId, queueName } = same ?? job;
      return { jobId, queueName, created: same === undefined };
    }),
  }));
  world.others.respond(jobsRpc.statuses, async ({ jobIds }) => ({
    jobs: jobIds.map((jobId) => ({ jobId, status: statuses.get(jobId) ?? 'pending' })),
  }));
  await world.others.connection.flush();
});
afterAll(() => world.stop());
afterEach(() => {
  refuse = () => null;
  jobs.clear();
});

const TOKEN = 'whk_0123456789abcdef0123456789abcdef';
const GITHUB = 'the secret that GitHub was given';
const STRIPE = 'whsec_of_stripe';

function host(over: Partial<Host> = {}): string {
  const organizationId = randomUUID();
  hosts.set(organizationId, {
    plan: { ...plans.free, max_payload_size_bytes: 1000 },
    webhookToken: TOKEN,
    githubSecret: GITHUB,
    stripeSecret: STRIPE,
    ...over,
  });
  return organizationId;
}

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function post(
  organizationId: string,
  kind: string,
  text: string,
  headers: Readonly<Record<string, string>>,
): Promise<Reply> {
  const { port } = world.context.get(HttpServer);
  const response = await fetch(
    `http://127.0.0.1:${port}/api/v1/webhooks/${organizationId}/${kind}`,
    {
      method: 'POST',
      body: text,
      headers: { 'content-type': 'application/json', ...headers },
    },
  );
  return { status: response.status, body: (await response.json()) as Reply['body'] };
}

const custom = (
  organizationId: string,
  body: unknown,
  headers: Record<string, string> = { 'x-webhook-token': TOKEN },
) => post(organizationId, 'custom', JSON.stringify(body), headers);

async function github(
  organizationId: string,
  text: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return post(organizationId, 'github', text, {
    'x-hub-signature-256': await signAsGithub(GITHUB, text),
    'x-github-event': 'push',
    'x-github-delivery': randomUUID(),
    ...headers,
  });
}

function stripe(
  organizationId: string,
  text: string,
  { timestamp, secret = STRIPE, ...headers }: Record<string, string> = {},
): Promise<Reply> {
  const signature = Stripe.webhooks.generateTestHeaderString({
    payload: text,
    secret,
    ...(timestamp === undefined ? {} : { timestamp: Number(timestamp) }),
  });
  return post(organizationId, 'stripe', text, { 'stripe-signature': signature, ...headers });
}

const stripeEvent = (over: Record<string, unknown> = {}): string =>
  JSON.stringify({
    id: `evt_${randomUUID()}`,
    object: 'event',
    type: 'invoice.paid',
    data: { object: { id: 'in_1', amount: 12 } },
    ...over,
  });
const theJob = (): EnqueueCommand => {
  expect(jobs.size).toBe(1);
  return [...jobs.values()][0]!;
};
const unauthorized = { status: 401, body: { code: 'UNAUTHORIZED' } };

describe('a custom webhook', () => {
  it('becomes a job with the payload as it was given', async () => {
    const organizationId = host();
    const answer = await post(
      organizationId,
      'custom',
      '{"queue_name":"orders","event_type":"order.paid","priority":7,"payload":{"total":1.5,"id":12345678901234567890}}',
      { 'x-webhook-token': TOKEN },
    );
    expect(answer.body).toMatchObject({ created: true });
    const job = theJob();
    expect(answer).toEqual({
      status: 200,
      body: { job_id: job.id, queue_name: 'orders', status: 'pending', created: true },
    });
    expect(job).toMatchObject({
      organizationId,
      queueName: 'orders',
      priority: 7,
      tags: { event_type: 'order.paid' },
      idempotencyKey: null,
      maxRetries: null,
    });
    expect(JSON.stringify(job.payload)).toBe('{"total":1.5,"id":12345678901234567890}');
  });

  it.each([[null], ['text'], [5], [[1, 2]], [{}]])('takes the payload %j', async (payload) => {
    expect((await custom(host(), { queue_name: 'q', payload })).status).toBe(200);
    expect(theJob().payload).toEqual(payload);
  });

  it('that comes twice with a key makes one job, and says where that is', async () => {
    const organizationId = host();
    const body = { queue_name: 'q', payload: 1, idempotency_key: 'k-1' };
    const first = await custom(organizationId, body);
    statuses.set(first.body['job_id'] as string, 'processing');
    expect(await custom(organizationId, body)).toEqual({
      status: 200,
      body: { ...first.body, status: 'processing', created: false },
    });
    expect((await custom(host(), body)).body).toMatchObject({ created: true });
  });

  it.each([
    ['missing', {}],
    ['wrong', { 'x-webhook-token': 'whk_wrong' }],
    ['empty', { 'x-webhook-token': '' }],
    ['an API key', { authorization: `Bearer ${TOKEN}` }],
  ])('is refused with a token that is %s', async (_name, headers) => {
    const body = { queue_name: 'q', payload: 1 };
    expect(await custom(host(), body, headers)).toMatchObject(unauthorized);
    expect(jobs.size).toBe(0);
  });

  it('is refused where no token is configured, also with an empty one', async () => {
    const organizationId = host({ webhookToken: null });
    const body = { queue_name: 'q', payload: 1 };
    for (const token of ['', 'null', TOKEN]) {
      expect(await custom(organizationId, body, { 'x-webhook-token': token })).toMatchObject(
        unauthorized,
      );
    }
  });

  it.each([
    ['no queue', { payload: 1 }, 'queue_name'],
    ['a bad queue', { queue_name: '.x', payload: 1 }, 'queue_name'],
    ['no payload', { queue_name: 'q' }, 'payload'],
    ['a long type', { queue_name: 'q', payload: 1, event_type: 'x'.repeat(101) }, 'event_type'],
    [
      'a long key',
      { queue_name: 'q', payload: 1, idempotency_key: 'x'.repeat(256) },
      'idempotency_key',
    ],
    ['a bad priority', { queue_name: 'q', payload: 1, priority: 101 }, 'priority'],
    ['no object', 5, 'body'],
  ])('is refused with %s', async (_name, body, field) => {
    expect(await custom(host(), body)).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR', details: [{ field }] },
    });
  });

  it.each([
    ['{"queue_name":', 'INVALID_JSON'],
    [`{"queue_name":"q","payload":${'['.repeat(100)}${']'.repeat(100)}}`, 'INVALID_JSON'],
    ['', 'VALIDATION_ERROR'],
  ])('is refused when it is no JSON: %s', async (text, code) => {
    const answer = await post(host(), 'custom', text, { 'x-webhook-token': TOKEN });
    expect(answer).toMatchObject({ status: 400, body: { code } });
  });

  it('is refused with a payload larger than the plan allows', async () => {
    const large = { queue_name: 'q', payload: 'x'.repeat(1000) };
    expect(await custom(host(), large)).toMatchObject({
      status: 413,
      body: { code: 'PAYLOAD_TOO_LARGE', error: 'payload_too_large', current: 1002, limit: 1000 },
    });
  });

  it('passes on what job-api refuses with', async () => {
    const extra = { error: 'limit_exceeded', resource: 'jobs_per_day', current: 5, limit: 5 };
    refuse = () => new AppError('QUOTA_EXCEEDED', 'jobs_per_day limit reached', { extra });
    expect(await custom(host(), { queue_name: 'q', payload: 1 })).toMatchObject({
      status: 429,
      body: { code: 'QUOTA_EXCEEDED', ...extra },
    });
  });

  it.each([randomUUID(), 'none', '%00'])('for an unknown organization (%s) is 404', async (id) => {
    for (const kind of ['custom', 'github', 'stripe']) {
      expect(await post(id, kind, '{}', { 'x-webhook-token': TOKEN })).toMatchObject({
        status: 404,
        body: { code: 'NOT_FOUND' },
      });
    }
  });
});

describe('a webhook of GitHub', () => {
  it('becomes a job with its body, in the queue of its event, once for each delivery', async () => {
    const organizationId = host();
    const text = '{"ref": "refs/heads/main",\n "n": 1.0}';
    const delivery = { 'x-github-delivery': 'd-1' };
    const first = await github(organizationId, text, delivery);
    expect(first).toEqual({
      status: 200,
      body: { job_id: theJob().id, queue_name: 'github-push', status: 'pending', created: true },
    });
    expect(theJob()).toMatchObject({
      queueName: 'github-push',
      idempotencyKey: 'github:d-1',
      tags: { _github_event: 'push' },
    });
    expect(theJob().payload).toMatchObject({ ref: 'refs/heads/main' });
    expect((await github(organizationId, text, delivery)).body).toMatchObject({
      job_id: theJob().id,
      created: false,
    });
  });

  it.each([
    ['missing', { 'x-hub-signature-256': '' }],
    ['of another body', { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` }],
    ['of another kind', { 'x-hub-signature-256': 'sha1=abc' }],
    ['good but with a wrong token', { 'x-webhook-token': 'whk_wrong' }],
  ])('is refused with a signature that is %s', async (_name, headers) => {
    expect(await github(host(), '{"a":1}', headers)).toMatchObject(unauthorized);
    expect(jobs.size).toBe(0);
  });

  it('is refused without a secret, or with one byte changed', async () => {
    expect(await github(host({ githubSecret: null }), '{}')).toMatchObject(unauthorized);
    expect(await github(host({ githubSecret: '' }), '{}')).toMatchObject(unauthorized);
    const signature = await signAsGithub(GITHUB, '{"a":1}');
    const changed = await post(host(), 'github', '{"a":2}', {
      'x-hub-signature-256': signature,
      'x-github-event': 'push',
    });
    expect(changed).toMatchObject(unauthorized);
  });

  it('may carry the right token as well', async () => {
    expect((await github(host(), '{}', { 'x-webhook-token': TOKEN })).status).toBe(200);
  });

  it.each([
    ['{"a":', {}, 'INVALID_JSON'],
    ['[1]', {}, 'VALIDATION_ERROR'],
    ['{}', { 'x-github-event': '' }, 'VALIDATION_ERROR'],
  ])('that is signed and senseless is 400: %s %j', async (text, headers, code) => {
    expect(await github(host(), text, headers)).toMatchObject({ status: 400, body: { code } });
  });
});

describe('an event of Stripe', () => {
  it('becomes a job with its object, in the queue of its type, once for each event', async () => {
    const organizationId = host();
    const text = stripeEvent({ id: 'evt_1', type: 'customer.subscription.updated' });
    const first = await stripe(organizationId, text);
    expect(first).toMatchObject({
      status: 200,
      body: { queue_name: 'stripe-customer-subscription-updated', created: true },
    });
    expect(theJob()).toMatchObject({
      payload: { id: 'in_1', amount: 12 },
      idempotencyKey: 'stripe:evt_1',
    });
    expect((await stripe(organizationId, text)).body).toMatchObject({ created: false });
  });

  it('is taken with a signature of up to 300 s ago, and refused with an older one', async () => {
    const ago = (secs: number): string => String(Math.floor(Date.now() / 1000) - secs);
    expect((await stripe(host(), stripeEvent(), { timestamp: ago(240) })).status).toBe(200);
    expect(await stripe(host(), stripeEvent(), { timestamp: ago(310) })).toMatchObject(
      unauthorized,
    );
  });

  it.each([
    ['made with another secret', { secret: 'whsec_other' }],
    ['missing', { 'stripe-signature': '' }],
    ['senseless', { 'stripe-signature': 'nonsense' }],
    ['good but with a wrong token', { 'x-webhook-token': 'whk_wrong' }],
  ])('is refused with a signature that is %s', async (_name, over) => {
    expect(await stripe(host(), stripeEvent(), over)).toMatchObject(unauthorized);
    expect(jobs.size).toBe(0);
  });

  it('is refused where no secret is configured', async () => {
    expect(await stripe(host({ stripeSecret: null }), stripeEvent())).toMatchObject(unauthorized);
  });

  it.each([
    ['{"a":', 'INVALID_JSON'],
    ['{}', 'VALIDATION_ERROR'],
    [stripeEvent({ data: {} }), 'VALIDATION_ERROR'],
  ])('that is signed and senseless is 400: %s', async (text, code) => {
    expect(await stripe(host(), text)).toMatchObject({ status: 400, body: { code } });
  });
});

describe('in production', () => {
  it('webhooks are taken over https only', async () => {
    const production = await World.setup({
      settings: { SPOOLED_ENV: 'production', JWT_SECRET: 'x'.repeat(32) },
    });
    const before = world;
    try {
      production.others.respond(authRpc.ingestion, async ({ organizationId }) => ({
        organization: hosts.get(organizationId) ?? null,
      }));
      world = production;
      const send = (scheme?: string) =>
        custom(
          host({ webhookToken: null }),
          { queue_name: 'q', payload: 1 },
          {
            ...(scheme === undefined ? {} : { 'x-forwarded-proto': scheme }),
          },
        );
      expect(await send('http')).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
      expect(await send('http, https')).toMatchObject({ status: 400 });
      for (const scheme of ['https', 'HTTPS, http', undefined]) {
        // Asked of auth, whose answer may take a moment to be heard of.
        await eventually(async () => expect((await send(scheme)).status).toBe(401));
      }
    } finally {
      world = before;
      await production.stop();
      Object.assign(process.env, world.environment);
    }
  });
});
