/** The published client against the real product: every resource, and every way of being refused. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import {
  AuthenticationError,
  AuthorizationError,
  ConflictError,
  NetworkError,
  NotFoundError,
  PayloadTooLargeError,
  RateLimitError,
  SpooledClient,
  TimeoutError,
  ValidationError,
  type SpooledClientOptions,
} from '@spooled/sdk';
import { eventually, freePort, onCleanUp } from '@spooled/testing';

import { adminKey } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

let world: World;
let organization: Organization;
let client: SpooledClient;
let queueCount = 0;

beforeAll(async () => {
  world = await World.start('standalone');
  organization = await world.organization('sdk-resources');
  client = connect({ apiKey: organization.key });
});
afterAll(() => world?.stop());

const connect = (options: SpooledClientOptions) =>
  new SpooledClient({ baseUrl: world.host.base(), ...options });
const newQueue = () => `sdk-${(queueCount += 1)}`;
/** On the free plan, as a visitor makes one. */
async function freeOrganization(slug: string) {
  const created = await connect({}).organizations.create({ name: `SDK ${slug}`, slug });
  return { ...created, client: connect({ apiKey: created.apiKey.key }) };
}

describe('jobs', () => {
  it('are made, read, listed, counted, moved, cancelled and retried', async () => {
    const queueName = newQueue();
    const payload = { userName: 'ada', nested_key: [{ innerKey: 1 }] };
    const { id, created } = await client.jobs.create({ queueName, payload, tags: { myTag: 1 } });
    expect(created).toBe(true);
    const job = await client.jobs.get(id);
    expect(job).toMatchObject({ id, queueName, payload, tags: { myTag: 1 }, status: 'pending' });
    // The workers are known unless who knows them takes too long.
    await eventually(async () =>
      expect(await client.jobs.why(id)).toMatchObject({
        jobId: id,
        reason: 'no_workers',
        details: { workers_known: true, healthy_workers: 0, jobs_ahead: 0 },
      }),
    );
    expect(await client.jobs.history(id, { orderDir: 'desc' })).toMatchObject([
      { jobId: id, eventType: 'created' },
    ]);
    expect(await client.jobs.list({ queueName, limit: 5 })).toMatchObject([{ id, queueName }]);
    expect(await client.jobs.stats({ queueName })).toMatchObject({ pending: 1, total: 1 });
    expect(await client.jobs.getStats({ queueName })).toMatchObject({ total: 1 });
    expect(await client.jobs.batchStatus([id])).toMatchObject([{ id, status: 'pending' }]);
    expect(await client.jobs.setPriority(id, 7)).toEqual({
      jobId: id,
      oldPriority: 0,
      newPriority: 7,
    });
    expect(await client.jobs.boostPriority(id, 9)).toMatchObject({ newPriority: 9 });
    expect(await client.jobs.cancel(id)).toBeUndefined();
    const scheduledAt = new Date(Date.now() + 3_600_000);
    const later = await client.jobs.createAndGet({ queueName, payload, scheduledAt });
    expect(later).toMatchObject({ status: 'scheduled', scheduledAt: scheduledAt.toISOString() });
  });

  it('have the same id for the same idempotency key', async () => {
    const params = { queueName: newQueue(), payload: {}, idempotencyKey: 'sdk-once' };
    const { id } = await client.jobs.create(params);
    expect(await client.jobs.create(params)).toEqual({ id, created: false });
  });

  it('are made many at once; a bad one fails alone', async () => {
    const jobs = [{ payload: 1 }, { payload: 2, priority: 1000 }, { payload: 3 }];
    const answer = await client.jobs.bulkEnqueue({ queueName: newQueue(), jobs });
    expect(answer).toMatchObject({ total: 3, successCount: 2, failureCount: 1 });
    expect(answer.succeeded.map(({ index }) => index)).toEqual([0, 2]);
    expect(answer.failed[0]?.index).toBe(1);
  });

  it('are claimed, reported on and completed', async () => {
    const queueName = newQueue();
    const { id } = await client.jobs.create({ queueName, payload: {} });
    const workerId = 'by-hand';
    const { jobs } = await client.jobs.claim({ queueName, workerId, waitSecs: 1 });
    const [claimed] = jobs;
    expect(claimed).toMatchObject({ id, queueName, retryCount: 0 });
    const holder = { workerId, leaseId: claimed?.leaseId };
    await client.jobs.heartbeat(id, { ...holder, leaseDurationSecs: 60 });
    await client.jobs.progress(id, { ...holder, percent: 50, message: 'half' });
    await client.jobs.appendLogs(id, { ...holder, lines: ['one', 'two'] });
    expect((await client.jobs.logs(id)).map(({ line }) => line)).toEqual(['one', 'two']);
    const result = { snake_key: 1, camelKey: 2 };
    expect(await client.jobs.complete(id, { ...holder, result })).toEqual({ success: true });
    expect(await client.jobs.get(id)).toMatchObject({ status: 'completed', result });
  });

  it('are failed, dead-lettered, listed as such, retried and purged', async () => {
    const queueName = newQueue();
    const { id } = await client.jobs.create({ queueName, payload: {}, maxRetries: 0 });
    const failOnce = async () => {
      await client.jobs.claim({ queueName, workerId: 'w' });
      return client.jobs.fail(id, { workerId: 'w', error: 'broken' });
    };
    expect(await failOnce()).toMatchObject({ success: true, willRetry: false });
    expect(await client.jobs.dlq.list({ queueName })).toMatchObject([{ id, lastError: 'broken' }]);
    expect(await client.jobs.dlq.retry({ jobIds: [id] })).toEqual({
      retriedCount: 1,
      retriedJobs: [id],
    });
    await failOnce();
    expect(await client.jobs.retry(id)).toMatchObject({ status: 'pending', retryCount: 0 });
    await failOnce();
    const olderThan = new Date(Date.now() + 60_000);
    const purge = { queueName, olderThan, confirm: true } as const;
    expect(await client.jobs.dlq.purge(purge)).toEqual({ purgedCount: 1 });
  });

  it('wait for each other', async () => {
    const queueName = newQueue();
    const { id: first } = await client.jobs.create({ queueName, payload: {} });
    const { id: second } = await client.jobs.create({ queueName, payload: {} });
    const added = await client.jobs.addDependencies(second, { dependsOn: [first] });
    expect(added).toMatchObject({ added: 1, dependenciesMet: false });
    expect(await client.jobs.dependencies(second)).toMatchObject({
      dependenciesMet: false,
      dependencies: [{ jobId: first }],
    });
  });
});

it('queues are configured, paused, resumed and deleted', async () => {
  const name = newQueue();
  const settings = { myKey: { other_key: 1 } };
  const queue = await client.queues.updateConfig(name, { maxRetries: 1, settings });
  expect(queue).toMatchObject({ queueName: name, maxRetries: 1, settings });
  expect(await client.queues.get(name)).toMatchObject({ queueName: name });
  expect((await client.queues.list()).map(({ queueName }) => queueName)).toContain(name);
  expect(await client.queues.getStats(name)).toMatchObject({ pendingJobs: 0, completedJobs24h: 0 });
  expect(await client.queues.pause(name, 'lunch')).toMatchObject({ paused: true, reason: 'lunch' });
  expect(await client.queues.resume(name)).toMatchObject({ resumed: true });
  expect(await client.queues.delete(name, { deleteJobs: true })).toBeUndefined();
  await expect(client.queues.get(name)).rejects.toBeInstanceOf(NotFoundError);
});

it('workers are registered, seen and taken off', async () => {
  const queueName = newQueue();
  const metadata = { myKey: 1 };
  const registration = { queueName, hostname: 'host-1', maxConcurrency: 3, metadata };
  const { id, heartbeatIntervalSecs } = await client.workers.register(registration);
  expect(heartbeatIntervalSecs).toBeGreaterThan(0);
  expect(await client.workers.heartbeat(id, { currentJobs: 2 })).toBeUndefined();
  expect(await client.workers.get(id)).toMatchObject({ id, metadata, currentJobs: 2 });
  expect((await client.workers.list()).map((worker) => worker.id)).toContain(id);
  await client.workers.deregister(id);
  expect(await client.workers.get(id)).toMatchObject({ status: 'offline' });
});

it('schedules are made, changed, paused, triggered and deleted', async () => {
  const payloadTemplate = { snake_key: 1, camelKey: 2 };
  const params = { name: 'nightly', cronExpression: '0 3 * * *', queueName: newQueue() };
  const { id } = await client.schedules.create({ ...params, payloadTemplate });
  expect(await client.schedules.get(id)).toMatchObject({ ...params, payloadTemplate });
  expect(await client.schedules.update(id, { priority: 4 })).toMatchObject({ priority: 4 });
  expect(await client.schedules.pause(id)).toMatchObject({ isActive: false });
  expect(await client.schedules.resume(id)).toMatchObject({ isActive: true });
  const { jobId } = await client.schedules.trigger(id);
  expect(await client.jobs.get(jobId)).toMatchObject({ payload: payloadTemplate });
  expect(await client.schedules.getHistory(id, { limit: 1 })).toMatchObject([{ jobId }]);
  expect((await client.schedules.list()).map((schedule) => schedule.id)).toContain(id);
  await client.schedules.delete(id);
  await expect(client.schedules.get(id)).rejects.toBeInstanceOf(NotFoundError);
});

it('workflows are made, read and cancelled', async () => {
  const queueName = newQueue();
  const jobs = [
    { key: 'extract', queueName, payload: {} },
    { key: 'load', queueName, payload: { a_b: 1 }, dependsOn: ['extract'] },
  ];
  const metadata = { myKey: 1 };
  const { workflowId, jobIds } = await client.workflows.create({ name: 'ETL', jobs, metadata });
  expect(jobIds.map(({ key }) => key)).toEqual(['extract', 'load']);
  const loadId = jobIds[1]?.jobId ?? '';
  expect(await client.workflows.get(workflowId)).toMatchObject({ totalJobs: 2, metadata });
  expect((await client.workflows.list()).map(({ id }) => id)).toContain(workflowId);
  expect(await client.workflows.jobs.list(workflowId)).toHaveLength(2);
  expect(await client.workflows.jobs.get(workflowId, loadId)).toMatchObject({
    key: 'load',
    dependsOn: ['extract'],
    payload: { a_b: 1 },
  });
  expect(await client.workflows.jobs.getStatus(workflowId)).toMatchObject([
    { key: 'extract' },
    { key: 'load' },
  ]);
  expect(await client.workflows.jobs.getDependencies(loadId)).toMatchObject({
    dependenciesMet: false,
  });
  expect(await client.workflows.cancel(workflowId)).toMatchObject({ status: 'cancelled' });
});

it('organizations are made and tell what they use', async () => {
  const free = await freeOrganization('sdk-org');
  const { id } = free.organization;
  expect(await free.client.organizations.list()).toMatchObject([{ id, planTier: 'free' }]);
  expect(await free.client.organizations.get(id)).toMatchObject({ slug: 'sdk-org' });
  const usage = await free.client.organizations.getUsage();
  expect(usage).toMatchObject({ plan: 'free', limits: { maxActiveJobs: 10 } });
  expect(usage.usage.apiKeys.current).toBe(1);
});

it('organizations are changed, tell who is in them, and are deleted', async () => {
  const free = await freeOrganization('sdk-changed');
  const { id } = free.organization;
  const { organizations } = free.client;
  const settings = { myKey: { other_key: 1 } };
  const changed = await organizations.update(id, { name: 'Another', settings });
  expect(changed).toMatchObject({ name: 'Another', settings });
  const [member] = await organizations.getMembers(id);
  expect(member).toMatchObject({ id: free.apiKey.id, role: 'owner' });
  expect(await organizations.getMember(id, free.apiKey.id)).toEqual(member);
  expect(await organizations.checkSlug('sdk-changed')).toMatchObject({
    available: false,
    valid: true,
    suggestion: expect.stringMatching(/^sdk-changed-/),
  });
  expect(await organizations.generateSlug('SDK, quite new')).toEqual({ slug: 'sdk-quite-new' });
  const { token, webhookUrl } = await organizations.getWebhookToken();
  expect(webhookUrl).toContain(id);
  expect((await organizations.regenerateWebhookToken()).token).not.toBe(token);
  await expect(organizations.clearWebhookToken()).rejects.toBeInstanceOf(ValidationError);
  await organizations.delete(id);
  await expect(organizations.list()).rejects.toBeInstanceOf(AuthenticationError);
});

it('webhooks go out, are rotated, tested, repeated and deleted', async () => {
  const received: unknown[] = [];
  const receiver = createServer((request, response) => {
    received.push(request.headers['x-spooled-event']);
    request.resume();
    response.end('thanks');
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  onCleanUp(() => {
    receiver.close();
    receiver.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const { webhooks } = client;
  const { id } = await webhooks.create({ name: 'sdk', url, events: ['queue.paused'], secret: 'a' });
  expect(await webhooks.list()).toContainEqual(await webhooks.get(id));
  expect(await webhooks.update(id, { name: 'renamed' })).toMatchObject({ id, name: 'renamed' });
  await webhooks.rotateSecret(id, 'b');
  const tooLate = new Date(Date.now() + 30 * 86_400_000);
  await expect(webhooks.rotateSecret(id, 'c', tooLate)).rejects.toBeInstanceOf(ValidationError);
  expect(await webhooks.test(id)).toMatchObject({ success: true, statusCode: 200 });
  const queueName = newQueue();
  await client.queues.updateConfig(queueName, {});
  await client.queues.pause(queueName);
  const delivery = await eventually(async () => {
    const [newest] = await webhooks.getDeliveries(id);
    if (newest?.status !== 'success') throw new Error(`not delivered: ${newest?.status}`);
    return newest;
  });
  expect(delivery).toMatchObject({
    webhookId: id,
    event: 'queue.paused',
    payload: { data: { queue_name: queueName } },
  });
  expect(await webhooks.retryDelivery(id, delivery.id)).toMatchObject({ deliveryId: delivery.id });
  await eventually(() =>
    expect(received).toEqual(['webhook.test', 'queue.paused', 'queue.paused']),
  );
  await webhooks.delete(id);
  await expect(webhooks.get(id)).rejects.toBeInstanceOf(NotFoundError);
});

it('webhooks come in, signed', async () => {
  const { id } = organization;
  const secret = 'what the sender was given';
  await client.organizations.update(id, {
    settings: { github_webhook_secret: secret, stripe_webhook_secret: secret },
  });
  const { token: webhookToken } = await client.organizations.getWebhookToken();
  const queueName = newQueue();
  const payload = { snake_key: 1, camelKey: 2 };
  const { ingest } = connect({});
  const made = await ingest.custom(id, { queueName, payload, eventType: 'paid' }, { webhookToken });
  expect(made).toMatchObject({ queueName, created: true });
  expect(await client.jobs.get(made.jobId)).toMatchObject({ payload });
  const push = { githubEvent: 'push', secret, deliveryId: 'delivery-1' };
  expect(await ingest.github(id, '{"ref": "main"}', push)).toMatchObject({
    queueName: 'github-push',
    created: true,
  });
  expect(await ingest.github(id, '{"ref": "main"}', push)).toMatchObject({ created: false });
  const event = JSON.stringify({ id: 'evt_1', type: 'charge.paid', data: { object: { a_b: 1 } } });
  const paid = await ingest.stripe(id, event, { secret });
  expect(await client.jobs.get(paid.jobId)).toMatchObject({
    queueName: 'stripe-charge-paid',
    payload: { a_b: 1 },
  });
  const forged = ingest.stripe(id, event, { secret: 'another' });
  await expect(forged).rejects.toBeInstanceOf(AuthenticationError);
  await expect(ingest.github(id, '{}', { githubEvent: 'push' })).rejects.toThrow('secret');
});

it('a login by e-mail is started, and wrong codes are refused', async () => {
  const { auth } = connect({});
  const email = 'nobody@example.com';
  expect(await auth.checkEmail(email)).toEqual({ available: true, exists: false });
  expect(await auth.startEmailLogin(email)).toMatchObject({ success: true, emailSentTo: email });
  const wrong = auth.verifyEmailLogin({ email, code: '000000' });
  await expect(wrong).rejects.toBeInstanceOf(AuthenticationError);
  const signup = auth.completeSignup({ signupToken: 'forged', name: 'Nobody', slug: 'nobody' });
  await expect(signup).rejects.toBeInstanceOf(AuthenticationError);
});

it('billing is read; a portal needs billing', async () => {
  expect(await client.billing.getStatus()).toMatchObject({
    planTier: 'enterprise',
    hasStripeCustomer: false,
  });
  const portal = client.billing.createPortal({ returnUrl: 'https://example.com/' });
  await expect(portal).rejects.toMatchObject({ code: 'FEATURE_DISABLED', status: 501 });
});

it('the audit trail tells who did what', async () => {
  const since = new Date();
  const { id } = await client.apiKeys.create({ name: 'audited' });
  const entries = await client.audit.list({ since, action: 'key.created' });
  expect(entries).toMatchObject([{ action: 'key.created', target: id, actorType: 'api_key' }]);
});

it('the platform is administered with its key, and not without', async () => {
  const { admin } = connect({ adminKey });
  const params = { name: 'Administered', slug: 'sdk-admin', planTier: 'starter' } as const;
  const { organization: made, apiKey } = await admin.createOrganization(params);
  const { id } = made;
  const found = await admin.listOrganizations({ search: 'sdk-admin', sortBy: 'name' });
  expect(found).toMatchObject({ total: 1, organizations: [{ id, usage: { apiKeys: 1 } }] });
  const customLimits = { max_queues: 3 };
  expect(await admin.updateOrganization(id, { customLimits })).toMatchObject({ customLimits });
  expect(await admin.getOrganization(id)).toMatchObject({ customLimits, apiKeysCount: 1 });
  const { key } = await admin.createApiKey(id, { name: 'second' });
  const theirs = connect({ apiKey: key });
  await theirs.jobs.create({ queueName: 'q', payload: {} });
  expect((await theirs.organizations.getUsage()).usage.jobsToday.current).toBe(1);
  await admin.resetUsage(id);
  expect((await theirs.organizations.getUsage()).usage.jobsToday.current).toBe(0);
  expect((await admin.getStats()).organizations.total).toBeGreaterThan(0);
  expect(await admin.listPlans()).toContainEqual(expect.objectContaining({ tier: 'starter' }));
  await admin.deleteOrganization(id, { hardDelete: true });
  await expect(admin.getOrganization(id)).rejects.toBeInstanceOf(NotFoundError);
  const withApiKey = connect({ apiKey: apiKey.key }).admin.getStats();
  await expect(withApiKey).rejects.toBeInstanceOf(AuthenticationError);
});

it('API keys are made, changed and revoked', async () => {
  const expiresAt = new Date(Date.now() + 3_600_000);
  const { id, key } = await client.apiKeys.create({ name: 'ci', queues: ['only'], expiresAt });
  expect(await client.apiKeys.get(id)).toMatchObject({
    queues: ['only'],
    expiresAt: expiresAt.toISOString(),
  });
  expect(await client.apiKeys.update(id, { rateLimit: 100 })).toMatchObject({ rateLimit: 100 });
  const scoped = connect({ apiKey: key });
  await scoped.jobs.create({ queueName: 'only', payload: {} });
  const other = scoped.jobs.create({ queueName: 'other', payload: {} });
  await expect(other).rejects.toBeInstanceOf(AuthorizationError);
  await client.apiKeys.revoke(id);
  expect((await client.apiKeys.list()).find((each) => each.id === id)?.isActive).toBe(false);
  await expect(scoped.jobs.list()).rejects.toBeInstanceOf(AuthenticationError);
});

it('a login gives tokens, which are good until the logout', async () => {
  const session = await client.auth.login({ apiKey: organization.key });
  const { accessToken, refreshToken } = session;
  const asUser = connect({ accessToken, refreshToken });
  expect(await asUser.auth.me()).toMatchObject({ organizationId: organization.id });
  expect(await client.auth.validate({ token: accessToken })).toMatchObject({ valid: true });
  const renewed = await client.auth.refresh({ refreshToken });
  expect(renewed.accessToken).not.toBe(accessToken);
  expect((await asUser.auth.createTicket({ queue: 'q' })).expiresIn).toBe(30);
  // A token that is refused is replaced, and the call goes on.
  const stale = connect({ accessToken: 'eyJ.not.good', refreshToken });
  expect(await stale.auth.me()).toMatchObject({ organizationId: organization.id });
  const fresh = connect({ accessToken: async () => accessToken });
  expect(await fresh.auth.me()).toMatchObject({ organizationId: organization.id });
  await asUser.auth.logout({ refreshToken });
  await expect(asUser.jobs.list()).rejects.toBeInstanceOf(AuthenticationError);
});

it('the dashboard and the health of the server are read', async () => {
  expect((await client.dashboard.get()).jobs.total).toBeGreaterThan(0);
  expect((await client.dashboard.get()).jobs.completed24h).toBeGreaterThanOrEqual(0);
  expect(await client.health.get()).toMatchObject({ status: 'healthy', database: true });
  expect(await client.health.liveness()).toBe(true);
  expect(await client.health.readiness()).toBe(true);
});

describe('a refusal is', () => {
  it('a ValidationError that names the field', async () => {
    const refused = client.jobs.create({ queueName: 'no spaces', payload: {} });
    await expect(refused).rejects.toBeInstanceOf(ValidationError);
    await expect(refused).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      status: 400,
      retryable: false,
      details: [expect.objectContaining({ field: 'queue_name' })],
      requestId: expect.stringMatching(/./),
    });
  });

  it('an AuthenticationError for a wrong key', async () => {
    const wrong = connect({ apiKey: 'sp_test_wrong' });
    await expect(wrong.jobs.list()).rejects.toBeInstanceOf(AuthenticationError);
    const login = wrong.auth.login({ apiKey: 'sp_test_wrong' });
    await expect(login).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED', status: 401 });
  });

  it('an AuthorizationError for what the plan does not include', async () => {
    const free = await freeOrganization('sdk-free');
    const jobs = [{ key: 'a', queueName: 'q', payload: {} }];
    const refused = free.client.workflows.create({ name: 'w', jobs });
    await expect(refused).rejects.toBeInstanceOf(AuthorizationError);
    await expect(refused).rejects.toMatchObject({
      code: 'FEATURE_DISABLED',
      extra: { feature: 'workflows', plan: 'free' },
    });
  });

  it('a NotFoundError for what is not there', async () => {
    await expect(client.jobs.get('nothing')).rejects.toBeInstanceOf(NotFoundError);
  });

  it('a ConflictError for a state that does not allow it, and for a lease of another', async () => {
    const queueName = newQueue();
    const { id } = await client.jobs.create({ queueName, payload: {} });
    await client.jobs.claim({ queueName, workerId: 'w' });
    await expect(client.jobs.cancel(id)).rejects.toBeInstanceOf(ConflictError);
    const stale = client.jobs.complete(id, { workerId: 'w', leaseId: 'another' });
    await expect(stale).rejects.toMatchObject({ code: 'LEASE_EXPIRED', status: 409 });
  });

  it('a PayloadTooLargeError above what the plan allows', async () => {
    const payload = 'x'.repeat(6 * 1024 * 1024);
    const refused = client.jobs.create({ queueName: 'q', payload });
    await expect(refused).rejects.toBeInstanceOf(PayloadTooLargeError);
  });

  it('a RateLimitError, not repeated, when a quota is reached', async () => {
    const free = await freeOrganization('sdk-quota');
    const jobs = Array.from({ length: 11 }, () => ({ payload: {} }));
    const refused = free.client.jobs.bulkEnqueue({ queueName: 'q', jobs });
    await expect(refused).rejects.toBeInstanceOf(RateLimitError);
    await expect(refused).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      retryable: false,
      extra: { resource: 'active_jobs', limit: 10 },
    });
  });

  it('waited for when there are too many requests', async () => {
    const free = await freeOrganization('sdk-limited');
    // The free plan allows a burst of 10, then 5 a second: without waiting, some of these would fail.
    const calls = Array.from({ length: 14 }, () => free.client.jobs.stats());
    expect(await Promise.all(calls)).toHaveLength(14);
  });

  it('a NetworkError when nobody answers', async () => {
    const baseUrl = `http://127.0.0.1:${await freePort()}`;
    const nobody = new SpooledClient({ baseUrl, apiKey: 'k', retry: { maxRetries: 0 } });
    await expect(nobody.jobs.list()).rejects.toBeInstanceOf(NetworkError);
    expect(await nobody.health.liveness()).toBe(false);
  });

  it('a TimeoutError when the answer takes too long', async () => {
    const slow = client.jobs.claim(
      { queueName: newQueue(), workerId: 'w', waitSecs: 10 },
      { timeoutMs: 100 },
    );
    await expect(slow).rejects.toBeInstanceOf(TimeoutError);
  });
});
