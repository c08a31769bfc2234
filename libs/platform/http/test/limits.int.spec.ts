import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { AppError, plans, route, trafficTold } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Metrics } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { z } from 'zod';
import {
  HttpServer,
  Route,
  SharedLimits,
  withStatus,
  type RequestOf,
  type Upgrade,
} from '../src/index.js';
import {
  callPort,
  grant,
  key,
  planOf,
  portOf,
  Servers,
  type Answer,
  type CallOptions,
} from './setup.js';

const base = { service: 'job-api', summary: 'A route of this test.' } as const;
const any = { 200: z.unknown() };
const api = {
  answer: route({
    ...base,
    method: 'POST',
    path: '/answers/:kind',
    auth: 'key',
    query: z.object({ n: z.coerce.number().optional() }),
    body: z.object({ text: z.string().optional() }),
    bodyOptional: true,
    responses: any,
  }),
  open: route({ ...base, method: 'GET', path: '/open', auth: 'public', responses: any }),
  full: route({ ...base, method: 'GET', path: '/full', auth: 'full-key', responses: any }),
  jwt: route({ ...base, method: 'GET', path: '/jwt', auth: 'jwt', responses: any }),
  admin: route({ ...base, method: 'GET', path: '/admin', auth: 'admin', responses: any }),
  stream: route({ ...base, method: 'GET', path: '/stream', auth: 'stream', responses: any }),
  upgrade: route({
    ...base,
    method: 'GET',
    path: '/upgrade',
    auth: 'stream',
    query: z.object({ n: z.coerce.number().optional(), kind: z.string().optional() }),
    responses: any,
  }),
};

/** What a handler may come to. */
const kinds: Readonly<Record<string, () => unknown>> = {
  ok: () => ({}),
  created: () => withStatus(201, {}),
  nothing: () => withStatus(204, null),
  'not-found': () => refuse(new AppError('NOT_FOUND')),
  conflict: () => refuse(new AppError('CONFLICT')),
  quota: () => refuse(new AppError('QUOTA_EXCEEDED')),
  timeout: () => refuse(new AppError('REQUEST_TIMEOUT')),
  broken: () => refuse(new Error('broken')),
  away: () => refuse(new AppError('SERVICE_UNAVAILABLE')),
};

function refuse(error: Error): never {
  throw error;
}

@Injectable()
class Controller {
  @Route(api.answer)
  answer({ params }: RequestOf<typeof api.answer>): unknown {
    return kinds[params.kind]!();
  }
  @Route(api.open)
  open({ ip }: RequestOf<typeof api.open>) {
    return { ip };
  }
  @Route(api.full)
  full(_: RequestOf<typeof api.full>) {
    return {};
  }
  @Route(api.jwt)
  jwt(_: RequestOf<typeof api.jwt>) {
    return {};
  }
  @Route(api.admin)
  admin(_: RequestOf<typeof api.admin>) {
    return {};
  }
  @Route(api.stream)
  stream({ reply }: RequestOf<typeof api.stream>): void {
    reply.hijack();
    reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>);
    reply.raw.end('data: x\n\n');
  }
}

/** As a WebSocket server does, less the WebSocket. */
function takeOver({ socket, headers, query }: Upgrade): void {
  const { kind } = query as { kind?: string };
  if (kind !== undefined) kinds[kind]!();
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
}

let servers: Servers;
let one: INestApplicationContext;
let two: INestApplicationContext;
let three: INestApplicationContext;
/** Believes the address that a test makes up, and limits strangers to a burst of 4 that does not come back in a test. */
const environment = {
  TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8',
  RATE_LIMIT_REQUESTS_PER_SECOND: '0.01',
  RATE_LIMIT_BURST_SIZE: '4',
};

beforeAll(async () => {
  servers = await Servers.setup(Controller);
  [one, two, three] = [
    await servers.boot(environment),
    await servers.boot(environment),
    await servers.boot(environment),
  ];
  for (const each of [one, two, three]) each.get(HttpServer).onUpgrade(api.upgrade, takeOver);
});
afterAll(async () => {
  for (const each of [one, two, three]) await each.close();
  await servers.stop();
});

const ask = (
  method: string,
  path: string,
  { on = one, ...options }: CallOptions & { on?: INestApplicationContext | undefined } = {},
): Promise<Answer> => callPort(portOf(on), method, `/api/v1${path}`, options);
const asCaller = (credential: string, on?: INestApplicationContext) =>
  ask('GET', '/full', { credential, on });
const fromAddress = (ip: string, path = '/open', on?: INestApplicationContext) =>
  ask('GET', path, { on, headers: { 'x-forwarded-for': ip } });

/** An address nobody else has in this file. */
let lastHost = 0;
function address(): string {
  lastHost += 1;
  return `198.51.${Math.floor(lastHost / 250)}.${(lastHost % 250) + 1}`;
}

/** Repeats what a turn of the minute fell into: fixed windows begin anew then. */
async function withinOneMinute<T>(run: () => Promise<T>): Promise<T> {
  const minute = (): number => Math.floor(Date.now() / 60_000);
  for (;;) {
    const begun = minute();
    const result = await run();
    if (minute() === begun) return result;
  }
}

async function metric(context: INestApplicationContext, line: string): Promise<number> {
  const text = await context.get(Metrics).exposition();
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.split(' ').at(-1) ?? 0);
}

const received = (context: INestApplicationContext) =>
  metric(context, 'spooled_rate_limit_messages_total{direction="received"}');
const sent = (context: INestApplicationContext) =>
  metric(context, 'spooled_rate_limit_messages_total{direction="sent"}');

const steps = (context: INestApplicationContext) =>
  metric(context, 'spooled_loop_steps_total{loop="http.limits",outcome="ok"}');

/** Waits until nobody has anything to tell or to hear of what was done before. */
async function allTold(): Promise<void> {
  const all = [one, two, three];
  for (const each of all) {
    const before = await steps(each);
    // The first may have begun earlier, and the second may only keep the gap between two messages.
    await eventually(async () => (await steps(each)) >= before + 3);
    await each.get(Bus).connection.flush();
  }
  for (const each of all) await each.get(Bus).connection.flush();
}

/** Does something at one server and waits until another one was told; nothing else may be left to tell. */
async function andTell<T>(to: INestApplicationContext, act: () => Promise<T>): Promise<T> {
  const before = await received(to);
  const result = await act();
  await eventually(async () => (await received(to)) > before);
  return result;
}

describe('who is limited by what', () => {
  /** What each row of the table allows at once; asked one after the other. */
  const rows: {
    scope: string;
    atOnce: number;
    asker: () => (on?: INestApplicationContext) => Promise<Answer>;
  }[] = [
    {
      scope: 'an organization by its plan',
      atOnce: 3,
      asker: () => {
        const credential = key({ plan: planOf(0.01, 3) });
        return (on) => asCaller(credential, on);
      },
    },
    {
      scope: 'all keys of an organization together',
      atOnce: 3,
      asker: () => {
        const organizationId = randomUUID();
        const keys = [0, 1].map(() => key({ organizationId, plan: planOf(0.01, 3) }));
        let asked = 0;
        return (on) => asCaller(keys[asked++ % 2]!, on);
      },
    },
    {
      scope: 'a key by its own number a minute',
      atOnce: 2,
      asker: () => {
        const credential = key({ keyRateLimit: 2 });
        return (on) => asCaller(credential, on);
      },
    },
    {
      scope: 'a stranger by address, on public routes',
      atOnce: 4,
      asker: () => {
        const ip = address();
        return (on) => fromAddress(ip, '/open', on);
      },
    },
    {
      scope: 'a stranger by address, at the API description',
      atOnce: 4,
      asker: () => {
        const ip = address();
        return (on) => fromAddress(ip, '/openapi.json', on);
      },
    },
    {
      scope: 'an address at the admin door, whatever the key',
      atOnce: 60,
      asker: () => {
        const ip = address();
        let asked = 0;
        return (on) => {
          const adminKey: Record<string, string> =
            asked++ % 2 === 0 ? {} : { 'x-admin-key': 'the-admin-key' };
          const headers = { 'x-forwarded-for': ip, ...adminKey };
          return ask('GET', '/admin', { on, headers });
        };
      },
    },
  ];

  it.each(rows)('$scope: $atOnce at once', async ({ atOnce, asker }) => {
    const answers = await withinOneMinute(async () => {
      const next = asker();
      const all: Answer[] = [];
      for (let n = 0; n < atOnce + 2; n += 1) all.push(await next());
      return all;
    });
    const isRefused = answers.map(({ status }) => status === 429);
    expect(isRefused).toEqual([...Array(atOnce).fill(false), true, true]);
    const { body, headers } = answers.at(-1)!;
    const retryAfterSecs = Number(headers['retry-after']);
    expect(retryAfterSecs).toBeGreaterThanOrEqual(1);
    expect(Number.isInteger(retryAfterSecs)).toBe(true);
    expect(body).toEqual({
      code: 'RATE_LIMIT_EXCEEDED',
      error: expect.any(String),
      message: expect.any(String),
      retry_after_secs: retryAfterSecs,
      limit: atOnce,
      remaining: 0,
      reset_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(Date.parse(body['reset_at'] as string)).toBeGreaterThan(Date.now() - 1000);
  });

  it.each(rows)('$scope, also over several servers', async ({ atOnce, asker }) => {
    await allTold();
    const statuses = await withinOneMinute(async () => {
      const next = asker();
      const all: number[] = [];
      for (let n = 0; n < atOnce; n += 1) {
        const [here, there] = n % 2 === 0 ? [one, two] : [two, one];
        all.push((await andTell(there, () => next(here))).status);
      }
      return [...all, (await next(one)).status, (await next(two)).status];
    });
    expect(statuses.map((status) => status === 429)).toEqual([
      ...Array(atOnce).fill(false),
      true,
      true,
    ]);
  });

  it('not health and metrics, however often they are asked', async () => {
    const headers = { 'x-forwarded-for': address() };
    for (let n = 0; n < 10; n += 1) {
      for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
        expect((await callPort(portOf(one), 'GET', path, { headers })).status).toBe(200);
      }
    }
  });

  it('by the address that a trusted proxy names, and no other', async () => {
    const seen = async (forwarded: string, on = one) =>
      (await ask('GET', '/open', { on, headers: { 'x-forwarded-for': forwarded } })).body['ip'];
    const own = address();
    // What stands left of the rightmost address that is no proxy of ours can be made up.
    expect(await seen(`1.2.3.4, ${own}`)).toBe(own);
    expect(await seen(`1.2.3.4, ${own}, 10.0.0.9`)).toBe(own);
    expect(await seen(`10.0.0.9, ${own}, 10.0.0.9, 127.0.0.1`)).toBe(own);
    const alone = await servers.boot({
      ...environment,
      RATE_LIMIT_BURST_SIZE: '2',
      TRUSTED_PROXIES: '',
    });
    try {
      expect(await seen('1.2.3.4', alone)).toBe('127.0.0.1');
      await fromAddress(address(), '/open', alone);
      expect((await fromAddress(address(), '/open', alone)).status).toBe(429);
    } finally {
      await alone.close();
    }
    await expect(servers.boot({ TRUSTED_PROXIES: '10.0.0.0/8,proxy' })).rejects.toThrow(
      /TRUSTED_PROXIES/,
    );
  });

  it('by the plan as it is now: a change counts with the next request', async () => {
    const credential = key({ plan: planOf(0.01, 2) });
    for (let n = 0; n < 3; n += 1) await asCaller(credential);
    grant(credential, { plan: planOf(0.01, 10) });
    const larger = await asCaller(credential);
    expect(larger.status).toBe(200);
    expect(larger.headers).toMatchObject({
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '7',
    });
    grant(credential, { plan: planOf(0.01, 3) });
    expect(await asCaller(credential)).toMatchObject({ status: 429, body: { limit: 3 } });
    grant(credential, { plan: planOf(100, 3) });
    await eventually(async () => expect((await asCaller(credential)).status).toBe(200));
  });

  it('by the key and the organization apart: neither uses up the other', async () => {
    const { left, right } = await withinOneMinute(async () => {
      const organizationId = randomUUID();
      const plan = planOf(0.01, 5);
      const limited = key({ organizationId, plan, keyRateLimit: 1 });
      const all: number[] = [];
      for (let n = 0; n < 6; n += 1) {
        const { status, headers } = await asCaller(limited);
        all.push(status);
        expect(headers['x-ratelimit-scope']).toBe('api_key');
      }
      return { left: all, right: (await asCaller(key({ organizationId, plan }))).headers };
    });
    expect(left).toEqual([200, ...Array(5).fill(429)]);
    expect(right['x-ratelimit-remaining']).toBe('3');
    expect(right['x-ratelimit-scope']).toBe('organization');
  });
});

describe('X-RateLimit-*', () => {
  const credential = key();
  const scoped = key({ queues: ['emails'] });
  const exhausted = key({ plan: planOf(0.01, 1) });
  const post = (kind: string, options: CallOptions = {}) =>
    ask('POST', `/answers/${kind}`, { credential, ...options });
  const upgrade = async (query: string, by = credential): Promise<Answer> => {
    const socket = connect(portOf(one), '127.0.0.1');
    const { promise, resolve } = Promise.withResolvers<string>();
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.write(
      `GET /api/v1/upgrade?${query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-API-Key: ${by}\r\n\r\n`,
    );
    const [head, body = ''] = (await promise).split('\r\n\r\n') as [string, string?];
    const [status, ...lines] = head.split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(': ')[0]!.toLowerCase(), line.split(': ')[1]]),
    ) as Record<string, string>;
    const bytes = Buffer.from(body);
    return { status: Number(status!.split(' ')[1]), headers, bytes, text: body, body: {} };
  };

  it.each<[string, number, () => Promise<Answer>]>([
    ['an answer', 200, () => post('ok')],
    ['a creation', 201, () => post('created')],
    ['an answer without a body', 204, () => post('nothing')],
    ['a stream', 200, () => ask('GET', '/stream', { credential })],
    ['an upgrade', 101, () => upgrade('')],
    ['a bad query', 400, () => post('ok?n=x')],
    ['a bad field', 400, () => post('ok', { body: '{"text":1}' })],
    ['a body that is no JSON', 400, () => post('ok', { body: '{' })],
    ['an upgrade with a bad query', 400, () => upgrade('n=x')],
    ['a key where a JWT is needed', 401, () => ask('GET', '/jwt', { credential })],
    ['a scoped key', 403, () => ask('GET', '/full', { credential: scoped })],
    ['something unknown', 404, () => post('not-found')],
    ['an upgrade to something unknown', 404, () => upgrade('kind=not-found')],
    ['a time that ran out', 408, () => post('timeout')],
    ['a conflict', 409, () => post('conflict')],
    ['a body that is too large', 413, () => post('ok', { body: 'x'.repeat(6_000_000) })],
    [
      'a body of another type',
      415,
      () => post('ok', { body: 'x', headers: { 'content-type': 'text/plain' } }),
    ],
    ['a quota', 429, () => post('quota')],
    ['an upgrade over a quota', 429, () => upgrade('kind=quota')],
    [
      'too many requests',
      429,
      async () => {
        await asCaller(exhausted);
        return asCaller(exhausted);
      },
    ],
    ['too many upgrades', 429, () => upgrade('', exhausted)],
    ['our own fault', 500, () => post('broken')],
    ['something that is away', 503, () => post('away')],
  ])('stand on %s (%d)', async (_, status, act) => {
    const answer = await act();
    expect(answer.status).toBe(status);
    const { headers } = answer;
    const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map((name) => {
      expect(headers[`x-ratelimit-${name}`]).toMatch(/^\d+$/);
      return Number(headers[`x-ratelimit-${name}`]);
    }) as [number, number, number];
    expect(limit).toBeGreaterThan(0);
    expect(remaining).toBeLessThan(limit);
    // Unix seconds, and no later than a whole refill.
    expect(reset).toBeGreaterThan(Date.now() / 1000 - 5);
    expect(reset).toBeLessThan(Date.now() / 1000 + 300);
    expect(headers['x-request-id']).toEqual(expect.any(String));
    expect(headers['x-api-version']).toBe('1');
  });

  it('stand on nothing that is said to a stranger', async () => {
    for (const answer of [
      await fromAddress(address()),
      await ask('GET', '/full'),
      await ask('GET', '/full', { credential: 'unknown' }),
    ]) {
      expect(answer.headers).not.toHaveProperty('x-ratelimit-limit');
    }
  });

  it('tell of the limit that is nearer: the key’s, or the organization’s', async () => {
    const headersOf = async (keyRateLimit: number | null, burst: number) => {
      const { headers } = await asCaller(key({ keyRateLimit, plan: planOf(1, burst) }));
      return [headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']];
    };
    expect(await headersOf(null, 10)).toEqual(['10', '9']);
    expect(await headersOf(3, 10)).toEqual(['3', '2']);
    expect(await headersOf(50, 10)).toEqual(['10', '9']);
    const reset = await withinOneMinute(async () => {
      const { headers } = await asCaller(key({ keyRateLimit: 3 }));
      return Number(headers['x-ratelimit-reset']);
    });
    const endOfMinute = Math.ceil(Date.now() / 60_000) * 60;
    expect([endOfMinute, endOfMinute + 60]).toContain(reset);
  });
});

describe('several servers', () => {
  it('let through together what one would: a burst, then the rate', async () => {
    const [rate, burst] = [50, 100];
    const flood = async (): Promise<void> => {
      const credential = key({ plan: planOf(rate, burst) });
      const statuses = new Map<number, number>();
      const startedAt = performance.now();
      const elapsed = (): number => (performance.now() - startedAt) / 1000;
      const hammer = async (on: INestApplicationContext): Promise<void> => {
        while (elapsed() < 3) {
          const { status } = await asCaller(credential, on);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      await Promise.all([one, one, two, two, three, three].map(hammer));
      const limit = burst + rate * elapsed();
      expect(statuses.get(200)).toBeLessThanOrEqual(1.1 * limit);
      expect(statuses.get(200)).toBeGreaterThanOrEqual(0.95 * limit);
      // It was a flood.
      expect(statuses.get(429)).toBeGreaterThan(limit);
      expect([...statuses.keys()].sort()).toEqual([200, 429]);
    };
    // A machine that stalls asks for less than there is, and tells late what was asked: then once more.
    await eventually(flood);
  });

  it('leave all of it to the one that is asked alone', async () => {
    const credential = key({ plan: planOf(0.01, 10) });
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) statuses.push((await asCaller(credential, two)).status);
    expect(statuses).toEqual([...Array(10).fill(200), 429, 429]);
  });

  it('count what they did themselves once', async () => {
    await allTold();
    const credential = key({ plan: planOf(0.01, 10) });
    for (let n = 0; n < 3; n += 1) await andTell(two, () => asCaller(credential));
    expect((await asCaller(credential)).headers['x-ratelimit-remaining']).toBe('6');
  });

  it('tell many requests in one message, and nothing when there is nothing', async () => {
    const before = await sent(three);
    const plan = { ...plans.enterprise, rate_limit_burst: 1_000_000 };
    const keys = Array.from({ length: 50 }, () => key({ plan }));
    const startedAt = performance.now();
    await Promise.all(
      keys.map(async (credential) => {
        for (let n = 0; n < 10; n += 1) await asCaller(credential, three);
      }),
    );
    const tenths = (performance.now() - startedAt) / 100;
    const stepsBefore = await steps(three);
    await eventually(async () => (await steps(three)) >= stepsBefore + 2);
    const after = await sent(three);
    expect(after - before).toBeGreaterThanOrEqual(1);
    expect(after - before).toBeLessThanOrEqual(2 + tenths * 1.2);
    await eventually(async () => (await steps(three)) >= stepsBefore + 5);
    expect(await sent(three)).toBe(after);
  });

  it('tell ids and numbers, and no credential', async () => {
    const texts: string[] = [];
    const bus = two.get(Bus);
    const end = bus.subscribe(`${trafficTold.subject}.*`, (message) =>
      texts.push(message.string()),
    );
    await bus.connection.flush();
    const organizationId = randomUUID();
    const apiKeyId = randomUUID();
    const credential = key({ organizationId, apiKeyId, keyRateLimit: 1 });
    await asCaller(credential);
    await eventually(() => texts.join().includes(organizationId));
    end();
    expect(texts.join()).toContain(apiKeyId);
    expect(texts.join()).not.toContain(credential);
  });

  it('pass over what is no news', async () => {
    const credential = key({ plan: planOf(0.01, 10) });
    const bus = two.get(Bus);
    for (const text of ['', '[]', '{"buckets":5}', '{"buckets":{"organization":[["a",-5,1,1]]}}']) {
      bus.connection.publish(`${trafficTold.subject}.somebody`, text);
    }
    const windows = { key: [], unheardOf: [['a', 1, Date.now() + 1000]] };
    await allTold();
    // Of limits that only others know.
    const news = { buckets: { constructor: [['a', 1, 1, 1]] }, windows };
    await andTell(one, async () => {
      bus.connection.publish(`${trafficTold.subject}.somebody`, JSON.stringify(news));
    });
    await andTell(one, () => asCaller(credential, two));
    expect((await asCaller(credential)).headers['x-ratelimit-remaining']).toBe('8');
  });
});

describe('without a bus', () => {
  const isShared = (context: INestApplicationContext): boolean =>
    context.get(SharedLimits).isShared;

  it('each limits alone, or answers 503 when told so; with it, limits are shared again', async () => {
    const strict = await servers.boot({ ...environment, RATE_LIMIT_FAIL_CLOSED: 'true' });
    try {
      const callers = [key(), key({ keyRateLimit: 5 })];
      for (const credential of callers)
        expect((await asCaller(credential, strict)).status).toBe(200);

      await servers.nats.kill();
      await eventually(() => [one, two, strict].every((each) => !isShared(each)));
      const alone = key({ plan: planOf(0.01, 5) });
      for (const each of [one, two]) {
        const statuses: number[] = [];
        for (let n = 0; n < 6; n += 1) statuses.push((await asCaller(alone, each)).status);
        expect(statuses).toEqual([...Array(5).fill(200), 429]);
      }
      const refusals = [
        await asCaller(callers[0]!, strict),
        await asCaller(callers[1]!, strict),
        await fromAddress(address(), '/open', strict),
        await fromAddress(address(), '/admin', strict),
      ];
      for (const { status, body, headers } of refusals) {
        expect(status).toBe(503);
        expect(body).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
        expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
      }
      expect(refusals[0]!.headers['x-ratelimit-limit']).toBe('1000');
      for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
        expect((await callPort(portOf(strict), 'GET', path)).status).toBe(200);
      }

      await servers.nats.start();
      await eventually(() => [one, two, strict].every(isShared));
      expect((await asCaller(callers[0]!, strict)).status).toBe(200);
      // Subscriptions come back a moment after the connection.
      await eventually(async () => {
        const credential = key({ plan: planOf(0.01, 5) });
        for (let n = 0; n < 4; n += 1) await asCaller(credential, one);
        await eventually(
          async () =>
            expect((await asCaller(credential, two)).headers['x-ratelimit-remaining']).toBe('0'),
          { timeoutMs: 500, intervalMs: 150 },
        );
      });
    } finally {
      await strict.close();
    }
  });
});
