import { eventually } from '@spooled/testing';
import { created } from './fixtures.js';
import { TestGateway, type Caller } from './setup.js';
import { transports, type Watch } from './watch.js';

/** Live streams of each transport, half of them on each of two instances. */
const STREAMS = 100;
/** Five seconds, and what a machine that is busy adds. */
const LIMIT_MS = 30_000;

let gateway: TestGateway;
let instances: readonly TestGateway['context'][];

beforeAll(async () => {
  gateway = await TestGateway.start();
  const first = gateway.context;
  await gateway.boot();
  instances = [first, gateway.context];
});

afterAll(async () => {
  await gateway.stop();
});

const jobsOf = ({ events }: Watch): unknown[] => events.map(({ data }) => data['job_id']);

/** Streams of one credential that have all delivered an event of each of two queues. */
async function live(caller: Caller): Promise<Watch[]> {
  const watches: Watch[] = [];
  for (const context of instances) {
    gateway.context = context;
    const opened = Object.values(transports).map((via) =>
      Array.from({ length: STREAMS / 2 }, () => via.watch(via.port(gateway), caller, {})),
    );
    watches.push(...(await Promise.all(opened.flat())));
  }
  await gateway.append(caller, created('before', 'sms'), created('before', 'emails'));
  await eventually(
    () => {
      for (const watch of watches) expect(jobsOf(watch)).toEqual(['before', 'before']);
    },
    { intervalMs: 50 },
  );
  return watches;
}

const losses: Record<string, (caller: Caller) => void> = {
  'is revoked': (caller) => {
    gateway.neighbours.principals.delete(caller.credential);
    gateway.announceChange(caller);
  },
  'is revoked, and nobody tells': ({ credential }) =>
    gateway.neighbours.principals.delete(credential),
  'loses its organization': (caller) => {
    gateway.neighbours.principals.delete(caller.credential);
    gateway.announceChange(caller, { ofAll: true });
  },
};

describe('a browser ticket in production', () => {
  const KNOWN = 'https://page.example';
  let before: TestGateway['context'];
  beforeAll(async () => {
    before = gateway.context;
    await gateway.boot({ SPOOLED_ENV: 'production', CORS_ALLOWED_ORIGINS: KNOWN });
  });
  afterAll(() => {
    gateway.context = before;
    Object.assign(process.env, { SPOOLED_ENV: 'test', CORS_ALLOWED_ORIGINS: '' });
  });

  const open = {
    WebSocket: (ticket: string, headers: Record<string, string>) =>
      gateway.ws(null, { ticket }, headers).then(
        () => 'open',
        (error: Error) => error.message,
      ),
    SSE: async (ticket: string, headers: Record<string, string>) => {
      const { status, events, ended } = await gateway.sse(
        null,
        `/events?ticket=${ticket}`,
        headers,
      );
      if (status === 200) return 'open';
      await ended;
      return `HTTP ${status}: ACCESS_DENIED ${JSON.stringify(events)}`;
    },
  };

  it.each(Object.entries(open))('opens a %s from pages that are known', async (_, attempt) => {
    const ticket = () => gateway.ticket(gateway.caller(), undefined);
    for (const origin of ['https://evil.example', 'null', `${KNOWN}.evil.example`, 'nonsense']) {
      const refused = ticket();
      expect(await attempt(refused, { origin })).toMatch(/HTTP 403: .*ACCESS_DENIED/);
      // It was not used up by that.
      expect(await attempt(refused, { origin: KNOWN })).toBe('open');
    }
    expect(await attempt(ticket(), {})).toBe('open');
    expect(await attempt(ticket(), { origin: `http://127.0.0.1:${gateway.port}` })).toBe('open');
  });

  it('is asked for where it comes from, and a key is not', async () => {
    const { credential } = gateway.caller();
    const headers = { origin: 'https://evil.example' };
    await gateway.ws(null, { token: credential }, headers);
  });
});

describe(`a credential with ${STREAMS} streams of each transport on two instances`, () => {
  it.each(Object.entries(losses))(
    'that %s ends them all within five seconds, and delivers nothing afterwards',
    async (_name, change) => {
      const caller = gateway.caller();
      const watches = await live(caller);
      const began = Date.now();
      change(caller);
      await Promise.all(watches.map(({ ended }) => ended));
      expect(Date.now() - began).toBeLessThan(LIMIT_MS);
      await gateway.append(caller, created('after'));
      const { organizationId } = caller.principal;
      const other = await transports.SSE.watch(
        gateway.port,
        gateway.caller({ organizationId }),
        {},
      );
      await gateway.append(caller, created('last'));
      await eventually(() => expect(jobsOf(other)).toContain('last'));
      for (const watch of watches) expect(jobsOf(watch)).toEqual(['before', 'before']);
    },
  );

  it('that expires ends them all within five seconds', async () => {
    const caller = gateway.caller();
    const watches = await live(caller);
    const expiresAt = Date.now() + 2000;
    Object.assign(caller.principal, { keyExpiresAt: new Date(expiresAt).toISOString() });
    gateway.announceChange(caller);
    await Promise.all(watches.map(({ ended }) => ended));
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt);
    expect(Date.now() - expiresAt).toBeLessThan(LIMIT_MS);
  });

  it('that is narrowed filters them all within five seconds, and ends none', async () => {
    const caller = gateway.caller();
    const watches = await live(caller);
    const narrowed = { ...caller.principal, queues: ['emails'] };
    gateway.neighbours.principals.set(caller.credential, narrowed);
    gateway.announceChange(caller);
    const began = Date.now();
    // Whatever is committed by then may still be on its way.
    let round = 0;
    await eventually(
      async () => {
        const marks = [`no-${(round += 1)}`, `yes-${round}`] as const;
        await gateway.append(caller, created(marks[0], 'sms'), created(marks[1], 'emails'));
        await eventually(() => watches.every((watch) => jobsOf(watch).includes(marks[1])));
        return watches.every((watch) => !jobsOf(watch).includes(marks[0]));
      },
      { timeoutMs: LIMIT_MS },
    );
    expect(Date.now() - began).toBeLessThan(LIMIT_MS);
    await gateway.append(caller, created('no-more', 'sms'), created('last', 'emails'));
    await eventually(() => {
      for (const watch of watches) expect(jobsOf(watch).at(-1)).toBe('last');
    });
    for (const watch of watches) {
      expect(jobsOf(watch)).not.toContain('no-more');
      watch.cut();
    }
  });
});
