/** The command line against the real product: every group of commands, how they end, and what they must not say. */
import { freePort, onCleanUp } from '@spooled/testing';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { binary, SpooledUser } from './harness/command.js';
import { World, type Organization } from './harness/world.js';

let world: World;
let organization: Organization;
let user: SpooledUser;
let queueCount = 0;

beforeAll(async () => {
  world = await World.start('standalone');
  organization = await world.organization('cli');
  user = new SpooledUser({ SPOOLED_URL: world.host.base(), SPOOLED_API_KEY: organization.key });
});
afterAll(() => world?.stop());

const newQueue = () => `cli-${(queueCount += 1)}`;

async function newJob(...more: readonly string[]): Promise<{ id: string; queue: string }> {
  const queue = newQueue();
  const { id } = await user.json<{ id: string }>('jobs', 'create', '-q', queue, ...more);
  return { id, queue };
}

/** A server that answers as it is told. */
async function server(answer: RequestListener): Promise<string> {
  const listening = createServer(answer).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  onCleanUp(() => {
    listening.close();
    listening.closeAllConnections();
  });
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

describe('profiles', () => {
  it('are made by login, used, kept to their owner, and removed', async () => {
    const guest = new SpooledUser();
    guest.secrets.add(organization.key);
    const url = world.host.base();
    expect(await guest.run(['jobs', 'list'])).toMatchObject({ code: 3 });
    const login = ['login', '--url', url, '--profile', 'work'];
    expect(await guest.run(login, { stdin: `${organization.key}\n` })).toMatchObject({
      code: 0,
      stdout: 'Signed in to E2E cli (enterprise) as profile work.\n',
    });
    expect(statSync(guest.configFile).mode & 0o777).toBe(0o600);
    expect(await guest.run(['jobs', 'list'])).toMatchObject({ code: 0, stderr: '' });
    const other = ['login', '--url', url, '--profile', 'other', '--json'];
    expect(await guest.run(other, { stdin: organization.key })).toMatchObject({ code: 0 });
    expect(await guest.json('profiles', 'use', 'work')).toEqual({ current: 'work' });
    expect(await guest.json('profiles', 'list')).toEqual([
      { name: 'work', url, current: true, has_key: true },
      { name: 'other', url, current: false, has_key: true },
    ]);
    expect(await guest.json('profiles', 'remove', 'work')).toEqual({ removed: 'work' });
    expect(await guest.run(['jobs', 'list', '--profile', 'work'])).toMatchObject({ code: 4 });
    expect(await guest.json('profiles', 'list')).toMatchObject([{ name: 'other', current: true }]);
  });

  it('are not made of a key that is refused', async () => {
    const guest = new SpooledUser();
    guest.secrets.add('sp_test_wrong_key');
    const login = ['login', '--url', world.host.base()];
    expect(await guest.run(login, { stdin: 'sp_test_wrong_key' })).toMatchObject({ code: 3 });
    expect(await guest.json('profiles', 'list')).toEqual([]);
  });

  it('tell their key to no other server', async () => {
    const guest = new SpooledUser();
    const seen: IncomingMessage['headers'][] = [];
    const stranger = await server(({ headers }, response) => {
      seen.push(headers);
      response.end('[]');
    });
    const login = ['login', '--url', world.host.base()];
    expect(await guest.run(login, { stdin: organization.key })).toMatchObject({ code: 0 });
    expect(await guest.run(['jobs', 'list', '--url', stranger])).toMatchObject({ code: 3 });
    expect(seen).toEqual([]);
  });
});

describe('jobs', () => {
  it('are made of JSON, of a file and of stdin, and every digit of a number is kept', async () => {
    const payload = '{"n":12345678901234567890,"x":1.00000000000000000001}';
    const file = join(user.configHome, 'payload.json');
    writeFileSync(file, payload);
    const create = ['jobs', 'create', '-q', newQueue(), '-p'];
    for (const given of [payload, `@${file}`, '-']) {
      const { code, stdout } = await user.run([...create, given], { stdin: payload });
      expect(code).toBe(0);
      const id = stdout.trim();
      const { stdout: document } = await user.run(['jobs', 'get', id, '--json']);
      expect(document.replace(/\s/g, '')).toContain(`"payload":${payload}`);
      const { stdout: page } = await user.run(['jobs', 'get', id]);
      expect(page).toContain(payload);
    }
    expect(await user.run([...create, '{'])).toMatchObject({ code: 2 });
    expect(await user.run([...create, '@/nowhere'])).toMatchObject({ code: 2 });
  });

  it('are listed, counted, moved, cancelled, and explained', async () => {
    const { id, queue } = await newJob('--at', '2h', '--tags', '{"color":"red"}');
    const listed = await user.run(['jobs', 'list', '-q', queue, '-s', 'scheduled']);
    expect(listed.stdout).toMatch(/^ID +QUEUE +STATUS +PRIO +RETRIES +CREATED\n/);
    expect(listed.stdout).toContain(id);
    expect(await user.json('jobs', 'list', '-q', queue, '--tag', 'color')).toMatchObject([{ id }]);
    expect(await user.json('jobs', 'stats', '-q', queue)).toMatchObject({ scheduled: 1, total: 1 });
    expect(await user.run(['jobs', 'priority', id, '7'])).toMatchObject({
      stdout: `${id}: 0 -> 7\n`,
    });
    expect(await user.json('jobs', 'cancel', id)).toEqual({ id, status: 'cancelled' });
    const again = await user.run(['jobs', 'cancel', id, '--json']);
    expect(again).toMatchObject({ code: 5, stdout: '' });
    expect(JSON.parse(again.stderr)).toMatchObject({ error: { code: 'CONFLICT', status: 409 } });
    expect(await user.run(['jobs', 'why', 'nothing'])).toMatchObject({ code: 4 });
  });

  it('say why they wait, in a sentence or with all that is known', async () => {
    const { id, queue } = await newJob();
    await user.run(['queues', 'pause', queue]);
    const { stdout } = await user.run(['jobs', 'why', id]);
    expect(stdout).toMatch(/ is paused: .*\n$/);
    expect(await user.json('jobs', 'why', id)).toMatchObject({
      job_id: id,
      status: 'pending',
      reason: 'queue_paused',
      message: stdout.trim(),
    });
  });

  it('are waited for, and their end is the code', async () => {
    const { client } = organization;
    const worker_id = 'w';
    const settled = await Promise.all(
      [
        { verb: 'complete', body: { worker_id, result: { ok: true } } },
        { verb: 'fail', body: { worker_id, error: 'broken' } },
      ].map(async ({ verb, body }) => {
        const { id, queue } = await newJob('--max-retries', '0');
        const waiting = user.run(['jobs', 'wait', id, '--timeout', '10m']);
        await client.post('/jobs/claim', { queue_name: queue, worker_id });
        await client.post(`/jobs/${id}/${verb}`, body);
        return { id, ...(await waiting) };
      }),
    );
    const [completed, failed] = settled;
    expect(completed).toMatchObject({ code: 0, stdout: expect.stringContaining('{"ok":true}') });
    expect(failed).toMatchObject({ code: 8, stderr: 'error: The job ended as deadletter.\n' });
    const { id } = await newJob();
    expect(await user.run(['jobs', 'wait', id, '--timeout', '100ms'])).toMatchObject({ code: 9 });
    // The dead letter of this story: seen, given its retries back, and thrown away.
    const dead = failed?.id ?? '';
    expect((await user.run(['dlq', 'list'])).stdout).toContain('broken');
    expect(await user.json('dlq', 'retry', dead)).toMatchObject({ retried_jobs: [dead] });
    expect(await user.run(['dlq', 'retry'])).toMatchObject({ code: 2 });
    expect(await user.run(['dlq', 'purge'])).toMatchObject({ code: 2 });
    expect(await user.json('dlq', 'purge', '--older-than', '7d', '--yes')).toEqual({
      purged_count: 0,
    });
    expect(await user.run(['jobs', 'retry', id])).toMatchObject({ code: 5 });
    expect(await user.json('jobs', 'logs', dead)).toEqual([]);
  });
});

it('looks at and steers queues', async () => {
  const queue = newQueue();
  expect(
    await user.json('queues', 'config', queue, '--max-retries', '9', '--rate-limit', '5'),
  ).toMatchObject({ queue_name: queue, max_retries: 9, rate_limit: 5 });
  expect(await user.json('queues', 'pause', queue, '--reason', 'x')).toMatchObject({
    paused: true,
    reason: 'x',
  });
  const { stdout } = await user.run(['queues', 'list']);
  expect(stdout).toMatch(new RegExp(`^${queue} +paused +9 +5m +5$`, 'm'));
  expect(await user.json('queues', 'resume', queue)).toMatchObject({ resumed: true });
  expect(await user.json('queues', 'stats', queue)).toMatchObject({ pending_jobs: 0 });
  expect((await user.run(['queues', 'get', queue])).stdout).toMatch(/^state +active$/m);
  expect(await user.run(['queues', 'delete', queue])).toMatchObject({ code: 2 });
  expect(await user.run(['queues', 'delete', queue, '--yes'])).toMatchObject({ code: 0 });
  expect(await user.run(['queues', 'get', queue])).toMatchObject({ code: 4 });
});

it('looks at workers', async () => {
  const { client } = organization;
  const queue_name = newQueue();
  const registered = await client.post<{ id: string }>('/workers/register', {
    queue_name,
    hostname: 'cli-host',
  });
  const { id } = registered.body;
  expect((await user.run(['workers', 'list'])).stdout).toContain(`${id}  ${queue_name}`);
  expect(await user.json('workers', 'get', id)).toMatchObject({ id, hostname: 'cli-host' });
  expect((await user.run(['workers', 'get', id])).stdout).toMatch(/^status +healthy$/m);
});

it('looks at and steers schedules', async () => {
  const create = ['schedules', 'create', 'nightly', '--cron', '0 3 * * *', '-q', newQueue()];
  const { id } = await user.json<{ id: string }>(...create);
  expect((await user.run(['schedules', 'list'])).stdout).toMatch(/nightly +0 3 \* \* \* .* active/);
  expect(await user.json('schedules', 'pause', id)).toMatchObject({ id, is_active: false });
  expect((await user.run(['schedules', 'resume', id])).stdout).toMatch(/^state +active$/m);
  const { job_id } = await user.json<{ job_id: string }>('trigger', 'schedule', id);
  expect(await user.json('jobs', 'get', job_id)).toMatchObject({ id: job_id });
  expect((await user.run(['schedules', 'history', id])).stdout).toContain(job_id);
  expect((await user.run(['schedules', 'get', id])).stdout).toMatch(/^payload +\{\}$/m);
  expect(await user.json('schedules', 'delete', id, '--yes')).toEqual({ id, deleted: true });
  expect(await user.run(['schedules', 'trigger', id])).toMatchObject({ code: 4 });
});

it('looks at and steers workflows', async () => {
  const queue_name = newQueue();
  const definition = JSON.stringify({
    name: 'two',
    jobs: [
      { key: 'a', queue_name, payload: {} },
      { key: 'b', queue_name, payload: {}, depends_on: ['a'] },
    ],
  });
  const { workflow_id: id } = await user.json<{ workflow_id: string }>(
    'workflows',
    'create',
    definition,
  );
  expect((await user.run(['workflows', 'list'])).stdout).toMatch(/two +pending +0\/2/);
  expect((await user.run(['workflows', 'get', id])).stdout).toMatch(/^b +\S+ +\S+ +pending/m);
  expect(await user.json('workflows', 'cancel', id)).toMatchObject({ status: 'cancelled' });
  expect(await user.run(['workflows', 'retry', id])).toMatchObject({ code: 2 });
});

describe('ends', () => {
  it.each([
    [['jobs', 'get', 'nothing'], 4],
    [['jobs', 'create', '-q', 'not a name'], 2],
    [['jobs', 'create'], 2],
    [['jobs', 'list', '--status', 'lost'], 2],
    [['jobs', 'creat'], 2],
    [['jobs', 'list', '--api-key', 'sp_test_wrong'], 3],
    [['jobs', 'list', '--url', 'http://127.0.0.1:9'], 7],
    [['events', '--url', 'http://127.0.0.1:9'], 7],
    [['jobs', 'list', '--url', 'nonsense'], 2],
    [['trigger', 'nothing'], 2],
    [['events', '--types', 'job.lost'], 2],
    [['top'], 2],
  ])('%j with code %i, and a sentence or a document on stderr', async (args, code) => {
    const { code: ended, stdout, stderr } = await user.run([...args, '--json']);
    expect({ ended, stdout }).toEqual({ ended: code, stdout: '' });
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
    expect(error).toEqual(expect.objectContaining({ code: expect.any(String) }));
    expect(error.message).not.toBe('');
  });

  it('with code 6 at a limit of the plan', async () => {
    const created = await world.client('').post<{ api_key: { key: string } }>('/organizations', {
      name: 'CLI free',
      slug: 'cli-free',
    });
    const free = ['--api-key', created.body.api_key.key];
    const create = ['schedules', 'create', 'one', '--cron', '0 3 * * *', '-q', 'q', ...free];
    expect(await user.run(create)).toMatchObject({ code: 0 });
    const { code, stderr } = await user.run([...create, '--json']);
    expect(code).toBe(6);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'QUOTA_EXCEEDED', limit: 1 } });
  });

  it('well when its reader has had enough', async () => {
    const { queue } = await newJob();
    const events = spawn(process.execPath, [binary, 'events', '-q', queue, '--json'], {
      env: {
        ...process.env,
        SPOOLED_URL: world.host.base(),
        SPOOLED_API_KEY: organization.key,
        XDG_CONFIG_HOME: user.configHome,
      },
    });
    onCleanUp(() => void events.kill('SIGKILL'));
    const exited = once(events, 'exit');
    const enqueueing = setInterval(
      () => void organization.client.post('/jobs', { queue_name: queue, payload: {} }),
      100,
    );
    await once(events.stdout, 'data');
    events.stdout.destroy();
    expect(await exited).toEqual([0, null]);
    clearInterval(enqueueing);
  });

  it('at once with help and version', async () => {
    const { code, stdout } = await user.run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Exit codes:');
    expect(await user.run(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n' });
    expect(await user.run([])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('completion', () => {
  it('of bash knows commands and options', async () => {
    const { stdout } = await user.run(['completion', 'bash']);
    const complete = (...words: string[]): string => {
      const line = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _spooled; echo "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', `${stdout}\n${line}`], { encoding: 'utf8' }).trim();
    };
    expect(complete('spooled', 'do')).toBe('doctor');
    expect(complete('spooled', 'jobs', 'w')).toBe('why wait');
    expect(complete('spooled', '--json', 'dlq', 'purge', '--older')).toBe('--older-than');
  });

  it('is there for zsh and fish, and no other shell', async () => {
    expect((await user.run(['completion', 'zsh'])).stdout).toMatch(/^#compdef spooled\n/);
    expect((await user.run(['completion', 'fish'])).stdout).toContain(
      "complete -c spooled -f -n '__fish_seen_subcommand_from jobs; and not __fish_seen_subcommand_from",
    );
    expect(await user.run(['completion', 'tcsh'])).toMatchObject({ code: 2 });
  });
});

interface Examination {
  readonly ok: boolean;
  readonly checks: readonly { name: string; status: string; message: string }[];
}

describe('doctor', () => {
  const examine = async (env: Readonly<Record<string, string>>) => {
    const { code, stdout } = await user.run(['doctor', '--json'], { env });
    const { ok, checks } = JSON.parse(stdout) as Examination;
    expect(code).toBe(ok ? 0 : 1);
    return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
  };
  const server = { server: 'ok', 'server database': 'ok', 'server bus': 'ok', clock: 'ok' };

  it('finds a server that is well', async () => {
    expect(await examine({})).toEqual({
      ...server,
      'server ready': 'ok',
      key: 'ok',
      versions: 'ok',
      stream: 'ok',
      plan: 'ok',
    });
  });

  it('finds a role that row level security does not bind, and a bus without a monitor', async () => {
    const found = await examine({ DATABASE_URL: world.databaseUrl, NATS_URL: world.nats.url });
    expect(found).toMatchObject({
      ...server,
      database: 'ok',
      'database role': 'failed',
      'row level security': 'ok',
      bus: 'ok',
      JetStream: 'ok',
      'event stream': 'ok',
    });
  });

  it('finds a profile that others can read, a key that is refused, a database that is gone', async () => {
    const guest = new SpooledUser({ SPOOLED_URL: world.host.base() });
    expect(await guest.run(['login'], { stdin: organization.key })).toMatchObject({ code: 0 });
    chmodSync(guest.configFile, 0o644);
    const port = await freePort();
    const { code, stdout, stderr } = await guest.run(['doctor', '--api-key', 'sp_test_wrong'], {
      env: { DATABASE_URL: `postgresql://u:hidden-password@127.0.0.1:${port}/x` },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed +profiles /m);
    expect(stdout).toMatch(/^failed +key /m);
    expect(stdout).toMatch(/^failed +database /m);
    expect(stdout + stderr).not.toContain('hidden-password');
  });
});
