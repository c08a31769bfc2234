/** The commands of the command line that go on until they are stopped: events, webhooks to a local URL, the live view. */
import { eventually, freePort, onCleanUp, type SpawnedProcess } from '@spooled/testing';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { Webhook } from 'standardwebhooks';

import { SpooledUser } from './harness/command.js';
import { jwtSecret, World, type Organization } from './harness/world.js';

let world: World;
let organization: Organization;
let user: SpooledUser;
let queueCount = 0;

beforeAll(async () => {
  world = await World.start('standalone');
  organization = await world.organization('cli-streams');
  user = new SpooledUser({ SPOOLED_URL: world.host.base(), SPOOLED_API_KEY: organization.key });
});
afterAll(() => world?.stop());

const newQueue = () => `cli-${(queueCount += 1)}`;

/** A job that is claimed and completed: four events. */
async function work(queue_name: string, result: string): Promise<void> {
  const { client } = organization;
  const { body } = await client.post<{ id: string }>('/jobs', { queue_name, payload: {} });
  await client.post('/jobs/claim', { queue_name, worker_id: 'w' });
  await client.post(`/jobs/${body.id}/complete`, { worker_id: 'w', result });
}

interface Line {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What it has printed so far. */
function printed<T = Line>({ lines }: SpawnedProcess): T[] {
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as T);
}

const facts = (process: SpawnedProcess) => printed(process).filter(({ id }) => id !== null);

/** Follows once it has told of a job. */
async function follow(queue: string, ...args: readonly string[]): Promise<SpawnedProcess> {
  const events = await user.start(['events', '-q', queue, '--json', ...args]);
  await eventually(
    async () => {
      await organization.client.post('/jobs', { queue_name: queue, payload: {}, priority: -1 });
      expect(facts(events)).not.toEqual([]);
    },
    { intervalMs: 500 },
  );
  return events;
}

describe('events', () => {
  it('go on over a server that is killed and started again, each once', async () => {
    const queue = newQueue();
    const events = await follow(queue);
    await work(queue, 'before');
    await events.waitForLine(/"before"/);
    await world.host.killJobs();
    await world.host.restartJobs();
    await work(queue, 'after');
    await events.waitForLine(/"after"/);
    const ids = facts(events).map(({ id }) => id);
    const numbers = ids.map((id) => Number(id.split('-')[1]));
    const first = numbers[0] ?? 0;
    // Of one organization nothing else happens, so that a hole would be seen.
    expect(numbers).toEqual(numbers.map((_, index) => first + index));
    events.kill('SIGINT');
    expect(await events.exited).toMatchObject({ code: 130 });

    const since = ids.at(-3) ?? '';
    const { stdout } = await user.run(['events', '--since', since, '--max', '2', '--json']);
    const again = stdout.trim().split('\n');
    expect(again.map((line) => (JSON.parse(line) as Line).id)).toEqual(ids.slice(-2));
  });

  it('are lines for people, with cursors, and say where to go on', async () => {
    const queue = newQueue();
    const events = await user.start(['events', '-q', queue, '--types', 'job.completed']);
    await events.waitForLine(/^live, at /);
    await work(queue, 'x');
    const line = await events.waitForLine(/job\.completed .* after \d+ ms {2}"x" {2}(\S+)$/);
    events.kill('SIGINT');
    expect(await events.exited).toMatchObject({ code: 130 });
    expect(events.lines.at(-1)).toBe(`to go on: spooled events --since ${line[1]}`);
  });

  it('say so when some are missing', async () => {
    const events = await user.start(['events', '--since', '0badc0de-1', '--json']);
    const gap = await events.waitForLine(/"type":"gap"/);
    expect(JSON.parse(gap.input ?? '')).toMatchObject({
      id: null,
      data: { lost_cursor: '0badc0de-1' },
    });
    events.kill('SIGTERM');
    await events.exited;
  });
});

interface Received {
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A server on somebody's laptop, that is there when it is. */
class Receiver {
  readonly received: Received[] = [];
  private server: Server | undefined;

  constructor(readonly port: number) {
    onCleanUp(() => this.stop());
  }

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        this.received.push({ path: request.url, headers: request.headers, text });
        response.end();
      });
    }).listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  stop(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }

  /** What came to a path, by event and job. */
  bodies(path: string): Map<string, unknown> {
    const parsed = this.received
      .filter((each) => each.path === path)
      .map(({ text }) => JSON.parse(text) as { event: string; data: Record<string, unknown> });
    return new Map(parsed.map(({ event, data }) => [`${event} ${JSON.stringify(data)}`, data]));
  }
}

const triggered = [
  ...['job.created', 'job.started', 'job.completed', 'job.failed', 'job.cancelled'],
  ...['queue.paused', 'queue.resumed', 'worker.registered', 'worker.deregistered'],
  'schedule.triggered',
];

describe('listen', () => {
  it('forwards what trigger makes happen as the product’s own webhooks would, signed', async () => {
    const receiver = new Receiver(await freePort());
    await receiver.start();
    const url = `http://127.0.0.1:${receiver.port}`;
    const created = await organization.client.post('/outgoing-webhooks', {
      name: 'the product itself',
      url: `${url}/product`,
      events: triggered,
    });
    created.expectStatus(201);
    const listen = await user.start(['listen', '--forward-to', `${url}/local`]);
    const [, secret = ''] = await listen.waitForLine(/signing secret +(whsec_\S+)/);
    await listen.waitForLine(/^live, at /);
    for (const event of triggered) {
      const queue = newQueue();
      const made = await user.json<Record<string, unknown>>('trigger', event, '-q', queue);
      expect(made).toMatchObject({ event, queue_name: queue });
    }
    await eventually(() => {
      const product = [...receiver.bodies('/product').keys()].sort();
      const local = [...receiver.bodies('/local').keys()].sort();
      const names = new Set(product.map((key) => key.split(' ')[0]));
      expect([...names].sort()).toEqual([...triggered].sort());
      expect(local).toEqual(product);
    });
    const [product] = receiver.received.filter(({ path }) => path === '/product');
    const locals = receiver.received.filter(({ path }) => path === '/local');
    const names = (headers: IncomingHttpHeaders) =>
      Object.keys(headers).filter((name) => /^(x-spooled|webhook|content-type|user)/.test(name));
    for (const { headers, text } of locals) {
      const verified = new Webhook(secret).verify(text, headers as Record<string, string>);
      expect(verified).toMatchObject({ id: headers['webhook-id'] });
      // The product's endpoint has no secret, hence no signatures.
      const unsigned = names(headers).filter((name) => !name.includes('signature'));
      expect(unsigned.sort()).toEqual(names(product?.headers ?? {}).sort());
    }
    await eventually(() =>
      expect(listen.lines.filter((line) => line.startsWith('[200]')).length).toBe(locals.length),
    );
    listen.kill('SIGINT');
    expect(await listen.exited).toMatchObject({ code: 130 });
  });

  it('tries again while the receiver is away, gives up in the end, and goes on later', async () => {
    const queue = newQueue();
    const receiver = new Receiver(await freePort());
    const to = ['listen', '--forward-to', `http://127.0.0.1:${receiver.port}/`, '--json'];
    const options = ['--events', 'job.completed', '--attempts', '2'];
    const listen = await user.start([...to, ...options, '--print-secret']);
    const kept = await listen.waitForLine(/"signing_secret":"(whsec_[^"]+)"/);
    // It listens once it has told of an attempt.
    await eventually(
      async () => {
        await work(queue, 'lost');
        expect(listen.lines.some((line) => line.includes('"next_in_ms":1000'))).toBe(true);
      },
      { intervalMs: 500 },
    );
    await eventually(() => {
      const given = printed<{ attempt: number; next_in_ms: number | null }>(listen);
      expect(given).toContainEqual(
        expect.objectContaining({
          attempt: 2,
          success: false,
          error: 'ECONNREFUSED',
          next_in_ms: null,
        }),
      );
    });
    const { cursor } = printed<{ cursor: string; attempt: number }>(listen).find(
      ({ attempt }) => attempt === 2,
    ) ?? { cursor: '' };
    listen.kill('SIGINT');
    await listen.exited;

    await receiver.start();
    await work(queue, 'found');
    const again = await user.start([...to, ...options, '--print-secret', '--since', cursor]);
    await eventually(() =>
      expect(receiver.received.map(({ text }) => text).join()).toContain('"found"'),
    );
    // The secret is that of before, and the delivery was verified with it.
    await eventually(() => expect(again.lines.join()).toContain(String(kept[1])));
    const [first] = receiver.received;
    new Webhook(String(kept[1])).verify(
      first?.text ?? '',
      first?.headers as Record<string, string>,
    );
    again.kill('SIGINT');
    await again.exited;
  });

  it('refuses what it cannot do', async () => {
    const to = ['listen', '--forward-to'];
    expect(await user.run([...to, 'nonsense'])).toMatchObject({ code: 2 });
    const strange = [...to, 'http://localhost:1', '--events', 'job.lost'];
    expect(await user.run(strange)).toMatchObject({ code: 2 });
  });
});

it('does not touch the jobs of others to make an event happen', async () => {
  const queue = newQueue();
  const { client } = organization;
  const { body } = await client.post<{ id: string }>('/jobs', {
    queue_name: queue,
    payload: {},
    priority: 100,
  });
  expect(await user.run(['trigger', 'job.failed', '-q', queue])).toMatchObject({ code: 5 });
  expect(await user.json('jobs', 'get', body.id)).toMatchObject({
    status: 'pending',
    retry_count: 0,
  });
  expect(await user.json('jobs', 'stats', '-q', queue)).toMatchObject({ pending: 1, cancelled: 1 });
});

const hasScript = spawnSync('script', ['--version']).status === 0;

(hasScript ? describe : describe.skip)('on a terminal', () => {
  it('a key is asked for, and not shown', async () => {
    const guest = new SpooledUser({ SPOOLED_URL: world.host.base() });
    const terminal = guest.onTerminal(['login']);
    await eventually(() => terminal.screen().includes('API key'));
    terminal.type(`${organization.key}\r`);
    expect(await terminal.exited).toBe(0);
    expect(terminal.screen()).toContain('Signed in to E2E cli-streams');
    expect(terminal.screen()).not.toContain(organization.key);
    expect(await guest.run(['jobs', 'list'])).toMatchObject({ code: 0 });
  });

  it('a table has colours, unless NO_COLOR says otherwise', async () => {
    await organization.client.post('/jobs', { queue_name: newQueue(), payload: {} });
    const bold = '\u001b[1m';
    const colored = user.onTerminal(['queues', 'list']);
    await colored.exited;
    expect(colored.screen()).toContain(`${bold}NAME`);
    const plain = user.onTerminal(['queues', 'list'], { NO_COLOR: '1' });
    await plain.exited;
    expect(plain.screen()).toMatch(/NAME +STATE/);
    expect(plain.screen()).not.toContain('\u001b[');
  });

  it('top shows queues, workers and jobs as they change, until q', async () => {
    const queue = newQueue();
    await organization.client.post('/jobs', { queue_name: queue, payload: {} });
    const terminal = user.onTerminal(['top']);
    const shows = (pattern: RegExp) => eventually(() => pattern.test(terminal.screen()));
    await shows(new RegExp(`${queue} +1 +0`));
    await organization.client.post('/workers/register', {
      queue_name: queue,
      hostname: 'h',
      worker_id: 'worker-of-top',
    });
    await work(newQueue(), 'x');
    await shows(/worker-of-top/);
    await shows(/completed\S* +(now|\d+s ago)/);
    terminal.type('q');
    expect(await terminal.exited).toBe(0);
    expect(terminal.screen()).not.toContain(organization.key);
  });
});

it('runs a server of its own until Ctrl-C', async () => {
  const port = await freePort();
  const server = await user.start(['dev'], {
    DATABASE_URL: world.databaseUrl,
    NATS_URL: world.nats.url,
    JWT_SECRET: jwtSecret,
    PORT: String(port),
    GRPC_PORT: String(await freePort()),
    LOG_LEVEL: 'warn',
  });
  await server.waitForLine(/Spooled is ready/, 120_000);
  const doctor = await user.run(['doctor', '--url', `http://127.0.0.1:${port}`, '--json']);
  expect(JSON.parse(doctor.stdout)).toMatchObject({
    checks: expect.arrayContaining([expect.objectContaining({ name: 'server', status: 'ok' })]),
  });
  server.killGroup('SIGINT');
  expect(await server.exited).toMatchObject({ code: 130 });
  await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
});
