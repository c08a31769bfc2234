/** The command line for who keeps an account, and for who works in a shell: what the other groups of commands do not show. */
import { eventually, onCleanUp } from '@spooled/testing';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

import { SpooledUser } from './harness/command.js';
import { World, type Organization } from './harness/world.js';

let world: World;
let organization: Organization;
let user: SpooledUser;
let queueCount = 0;

beforeAll(async () => {
  world = await World.start('standalone');
  organization = await world.organization('cli-account');
  user = new SpooledUser({ SPOOLED_URL: world.host.base(), SPOOLED_API_KEY: organization.key });
});
afterAll(() => world?.stop());

const newQueue = () => `account-${(queueCount += 1)}`;

interface Heard {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver of webhooks, which answers 204 unless its path says otherwise. */
async function receiver(): Promise<{ url: string; heard: Heard[] }> {
  const heard: Heard[] = [];
  const listening = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      heard.push({ headers: request.headers, body });
      response.writeHead(request.url === '/refuses' ? 500 : 204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  onCleanUp(() => {
    listening.close();
    listening.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, heard };
}

describe('webhooks', () => {
  it('are made with a secret that is shown once, tested, changed and deleted', async () => {
    const { url, heard } = await receiver();
    const create = ['webhooks', 'create', 'hook', '--events', 'job.created,queue.paused'];
    const made = await user.run([...create, '--to', url, '--new-secret']);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const [id = '', told = ''] = made.stdout.split('\n');
    const secret = /whsec_\S+/.exec(told)?.[0] ?? '';
    user.secrets.add(secret);

    expect((await user.run(['webhooks', 'list'])).stdout).toMatch(
      new RegExp(`^${id} +hook +${url} +active +- +0$`, 'm'),
    );
    expect((await user.run(['webhooks', 'test', id])).stdout).toMatch(/^204 after \d+/);
    const isSignedWith = (by: string): void => {
      const { headers, body } = heard.at(-1) as Heard;
      expect(() => new Webhook(by).verify(body, headers as never)).not.toThrow();
    };
    isSignedWith(secret);

    const update = ['webhooks', 'update', id, '--to', `${url}/refuses`, '--events', 'job.failed'];
    expect(await user.json(...update, '--no-enabled')).toMatchObject({
      events: ['job.failed'],
      enabled: false,
    });
    const refused = await user.run(['webhooks', 'test', id, '--json']);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ success: false, status_code: 500 });

    const rotate = ['webhooks', 'update', id, '--to', url, '--secret', '-', '--previous-until'];
    const own = `whsec_${Buffer.from('a secret of mine').toString('base64')}`;
    user.secrets.add(own);
    const rotated = await user.run([...rotate, '24h'], { stdin: `${own}\n` });
    expect(rotated).toMatchObject({ code: 0, stdout: expect.stringMatching(/^state +disabled$/m) });
    await user.run(['webhooks', 'test', id]);
    isSignedWith(own);

    const both = await user.run([...rotate, '24h', '--new-secret']);
    expect(both).toMatchObject({ code: 2, stdout: '' });
    expect(await user.run([...create, '--to', url, '--events', 'job.lost'])).toMatchObject({
      code: 2,
    });
    expect(await user.run(['webhooks', 'delete', id])).toMatchObject({ code: 2 });
    expect(await user.json('webhooks', 'delete', id, '--yes')).toEqual({ id, deleted: true });
    expect(await user.run(['webhooks', 'get', id])).toMatchObject({ code: 4 });
  });

  it('tell their deliveries, each of which can be sent again', async () => {
    const { url, heard } = await receiver();
    const create = ['webhooks', 'create', 'again', '--to', url, '--events', 'job.created'];
    const { id } = await user.json<{ id: string }>(...create);
    expect((await user.run(['webhooks', 'deliveries', id])).stdout).toBe('No deliveries.\n');
    await organization.client.enqueue(newQueue());
    await eventually(() => expect(heard).toHaveLength(1), { timeoutMs: 60_000 });
    const [first] = heard as [Heard];
    const delivery = String(first.headers['webhook-id']);
    const listed = await eventually(
      async () => {
        const { stdout } = await user.run(['webhooks', 'deliveries', id]);
        expect(stdout).toContain('success');
        return stdout;
      },
      { timeoutMs: 60_000 },
    );
    expect(listed).toMatch(new RegExp(`^${delivery} +job.created +success +204 +1 `, 'm'));
    const again = await user.json('webhooks', 'redeliver', id, delivery);
    expect(again).toMatchObject({ success: true, delivery_id: delivery });
    await eventually(() => expect(heard).toHaveLength(2), { timeoutMs: 60_000 });
    expect(heard.at(-1)?.headers['webhook-id']).toBe(delivery);
    const audit = ['audit', '--action', 'webhook.redelivered', '--since', '1h'];
    expect(await user.json(...audit)).toMatchObject([{ target: id }]);
  });
});

it('keys are made and shown once, changed, and end at once', async () => {
  const queue = newQueue();
  const create = ['keys', 'create', 'for-a-worker', '--queues', queue, '--expires', '90d'];
  const made = await user.json<{ id: string; key: string }>(...create);
  const { id, key } = made;
  const worker = new SpooledUser({ SPOOLED_URL: world.host.base(), SPOOLED_API_KEY: key });
  user.secrets.add(key);
  expect(await worker.run(['jobs', 'create', '-q', newQueue()])).toMatchObject({ code: 3 });
  const ticket = await worker.json<{ ticket: string }>('keys', 'ticket', '-q', queue);
  expect(ticket.ticket).toMatch(/^tkt_/);

  const update = ['keys', 'update', id, '--queues', '*', '--rate-limit', '60'];
  expect(await user.json(...update)).toMatchObject({ queues: ['*'], rate_limit: 60 });
  expect(await user.run(['keys', 'update', id, '--rate-limit', 'none'])).toMatchObject({
    stderr: '',
    stdout: expect.stringMatching(/^per minute +no limit$/m),
  });
  expect(await worker.run(['keys', 'list'])).toMatchObject({ code: 0 });
  expect(await user.run(['keys', 'revoke', id])).toMatchObject({ code: 2 });
  expect(await user.json('keys', 'revoke', id, '--yes')).toEqual({ id, revoked: true });
  expect(await worker.run(['keys', 'list'])).toMatchObject({ code: 3 });
  expect((await user.run(['keys', 'list'])).stdout).toMatch(
    new RegExp(`^${id} +for-a-worker +\\* +revoked `, 'm'),
  );
  expect((await user.run(['keys', 'get', id])).stdout).toMatch(/^state +revoked$/m);

  const { stdout } = await user.run(['audit', '--action', 'key.revoked', '-n', '1']);
  expect(stdout).toMatch(new RegExp(`^WHEN .*\n(?:now|.* ago) +\\S+ +key.revoked +${id} `));
  const yesterday = ['audit', '--until', '1d', '--actor', 'system'];
  expect((await user.run(yesterday)).stdout).toBe('No entries.\n');
  expect(await user.run(['audit', '--since', 'soon'])).toMatchObject({ code: 2 });
});

it('the organization is looked at and changed, and so is its payment', async () => {
  const { id } = organization;
  expect((await user.run(['organization', 'get'])).stdout).toMatch(/^slug +\S*cli-account\S*$/m);
  const update = ['organization', 'update', '--billing-email', 'ada@example.com'];
  expect(await user.json(...update)).toMatchObject({ id, billing_email: 'ada@example.com' });
  const none = await user.run(['organization', 'update', '--billing-email', 'none']);
  expect(none.stdout).toMatch(/^billing address +-$/m);
  expect((await user.run(['organization', 'usage'])).stdout).toMatch(/^api keys +\d+ +none$/m);
  expect((await user.run(['organization', 'members'])).stdout).toContain(' owner ');

  const before = await user.json<{ token: string }>('organization', 'webhook-token');
  const regenerate = ['organization', 'webhook-token', '--regenerate'];
  expect(await user.run(regenerate)).toMatchObject({ code: 2 });
  const after = await user.run([...regenerate, '--yes']);
  expect(after.stdout).toMatch(/^token +\S+\nurl +http/);
  expect(after.stdout).not.toContain(before.token);

  expect((await user.run(['billing', 'status'])).stdout).toMatch(/^plan +enterprise\ncustomer +no/);
  const portal = await user.run(['billing', 'portal', '--json']);
  expect(portal).toMatchObject({ code: 1, stdout: '' });
  expect(JSON.parse(portal.stderr)).toMatchObject({ error: { code: 'FEATURE_DISABLED' } });
  expect(await user.run(['organization', 'delete'])).toMatchObject({ code: 2 });
});

it('a script is a worker', async () => {
  const queue = newQueue();
  const { id: worker } = await user.json<{ id: string }>(
    ...['workers', 'register', '-q', queue, '--hostname', 'shell', '--metadata', '{"a":1}'],
  );
  expect(await user.json('workers', 'heartbeat', worker, '--jobs', '1')).toEqual({
    id: worker,
    alive: true,
  });
  expect((await user.run(['jobs', 'claim', '-q', queue])).stdout).toBe('No job.\n');

  const jobs = JSON.stringify([
    { payload: 1, idempotency_key: queue },
    { payload: 2 },
    { priority: 1 },
  ]);
  const bulk = ['jobs', 'bulk', 'create', jobs, '-q', queue, '--max-retries', '0'];
  const created = await user.run(bulk);
  expect(created.stdout).toMatch(/^\S{36}\n\S{36}\njob 2 is refused: /);
  const again = await user.json<{ succeeded: { job_id: string; created: boolean }[] }>(...bulk);
  expect(again.succeeded).toMatchObject([{ created: false }, { created: true }]);
  const ids = created.stdout.split('\n').slice(0, 2) as [string, string];

  const claim = ['jobs', 'claim', '-q', queue, '-n', '2', '--for', '5m', '--wait', '1s'];
  const { jobs: claimed } = await user.json<{ jobs: { id: string; lease_id: string }[] }>(...claim);
  expect(claimed.map(({ id }) => id)).toEqual(ids);
  const [{ id, lease_id: lease }, other] = claimed as [(typeof claimed)[0], (typeof claimed)[0]];
  const renewed = await user.run(['jobs', 'renew', id, '--for', '10m', '--lease', lease]);
  expect(renewed.stdout).toMatch(/^The lease ends in (10m|9m \d+s)\.\n$/);
  expect(await user.json('jobs', 'progress', id, '50', 'half')).toEqual({ success: true });
  expect(await user.json('jobs', 'log', id, 'one', 'two')).toEqual({ success: true });
  expect((await user.run(['jobs', 'logs', id])).stdout).toMatch(/ one\n.* two\n$/);
  expect(await user.run(['jobs', 'complete', id, '--worker', 'stranger'])).toMatchObject({
    code: 4,
  });
  const completed = await user.run(['jobs', 'complete', id, '--lease', lease, '--result', '{}']);
  expect(completed.stdout).toBe(`${id} is completed.\n`);
  const failed = await user.run(['jobs', 'fail', other.id, 'broken']);
  expect(failed.stdout).toBe(`${other.id} is given up.\n`);
  expect((await user.run(['jobs', 'status', ...ids])).stdout).toMatch(
    / completed .*\n.* deadletter/,
  );
  expect((await user.run(['jobs', 'history', other.id])).stdout).toMatch(/deadlettered .* broken/);

  // All that match: found by what they are called, tried again, moved, and taken back.
  const ofQueue = ['-q', queue];
  const dead = ['jobs', 'bulk', 'retry', ...ofQueue, '--dry-run'];
  expect(await user.json(...dead)).toMatchObject({ matched: 1, changed: 0 });
  expect((await user.run(['jobs', 'bulk', 'retry', ...ofQueue])).stdout).toMatch(/^changed +1$/m);
  const listed = await user.run(['jobs', 'list', '--search', queue, '-s', 'pending,scheduled']);
  expect(listed.stdout.split('\n')).toHaveLength(4);
  expect(await user.json('jobs', 'bulk', 'priority', '9', ...ofQueue)).toMatchObject({
    changed: 2,
  });
  expect(await user.run(['jobs', 'bulk', 'cancel', ...ofQueue])).toMatchObject({ code: 2 });
  expect(await user.run(['jobs', 'bulk', 'cancel', '--yes'])).toMatchObject({ code: 2 });
  const cancel = ['jobs', 'bulk', 'cancel', '--yes', '--since', '1h', ...ofQueue];
  expect(await user.json(...cancel)).toMatchObject({ changed: 2, has_more: false });
  const oldest = ['jobs', 'list', ...ofQueue, '--order', 'created_at', '--ascending', '-n', '1'];
  expect(await user.json(...oldest)).toMatchObject([{ id: ids[0] }]);
  expect(await user.json('workers', 'deregister', worker)).toEqual({
    id: worker,
    deregistered: true,
  });
});

it('jobs wait for others, and schedules are changed', async () => {
  const queue = newQueue();
  const { client } = organization;
  const [first, second] = [await client.enqueue(queue), await client.enqueue(queue)];
  expect((await user.run(['jobs', 'depend', second, first])).stdout).toBe('1 added.\n');
  expect((await user.run(['jobs', 'dependencies', second])).stdout).toMatch(
    new RegExp(`^waits for +${first} +${queue} +pending$`, 'm'),
  );
  const create = ['schedules', 'create', 'hourly', '--cron', '0 * * * *', '-q', queue];
  const { id } = await user.json<{ id: string }>(...create, '--tags', '["a"]');
  const update = ['schedules', 'update', id, '--cron', '0 3 * * *', '--payload', '{"a":1}'];
  expect(await user.json(...update, '--timeout', '90s')).toMatchObject({
    name: 'hourly',
    cron_expression: '0 3 * * *',
    payload_template: { a: 1 },
    timeout_seconds: 90,
    tags: ['a'],
  });
});
