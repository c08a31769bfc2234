import { jobsRpc } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { readFileSync } from 'node:fs';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup({ environment: { LEASE_REAP_INTERVAL_MS: '50' } });
});
afterAll(() => world.stop());

/** Samples by name and labels, types by name. */
async function scrape(): Promise<{ samples: Map<string, number>; types: Map<string, string> }> {
  const { status, text } = await world.request('GET', '/metrics');
  expect(status).toBe(200);
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) types.set(name, type!);
    const [, sample, value] = /^([^#{ ]+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (sample !== undefined) samples.set(sample, Number(value));
  }
  return { samples, types };
}

const metric = async (name: string): Promise<number> => (await scrape()).samples.get(name) ?? 0;

describe('the page of metrics', () => {
  // Before anything happened: a monitor that finds no counter cannot tell "none yet" from "gone".
  const promised: readonly [name: string, type: string][] = [
    ['spooled_jobs_enqueued_total', 'counter'],
    ['spooled_jobs_completed_total', 'counter'],
    ['spooled_jobs_failed_total', 'counter'],
    ['spooled_jobs_retried_total', 'counter'],
    ['spooled_jobs_deadlettered_total', 'counter'],
    ['spooled_jobs_pending', 'gauge'],
    ['spooled_jobs_processing', 'gauge'],
    ['spooled_job_duration_seconds', 'histogram'],
    ['spooled_job_max_age_seconds', 'gauge'],
    ['spooled_api_requests_total', 'counter'],
    ['spooled_api_request_duration_seconds', 'histogram'],
    ['spooled_database_connections', 'gauge'],
    ['spooled_database_connections_active', 'gauge'],
    ['spooled_redis_operations_total', 'counter'],
    ['spooled_lease_action_duration_seconds', 'histogram'],
    ['spooled_lease_actions_refused_total', 'counter'],
    ['spooled_lease_expiries_total', 'counter'],
    ['spooled_event_publish_lag_seconds', 'gauge'],
    ['spooled_group_commit_rows', 'histogram'],
  ];
  it.each(promised)('has %s, a %s', async (name, type) => {
    expect((await scrape()).types.get(name)).toBe(type);
  });

  it('has nothing that docs/metrics.md does not describe', async () => {
    const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
    const rows = page.matchAll(/^\| `(spooled_\w+)` +\| (\w+) /gm);
    const described = new Map([...rows].map(([, name, type]) => [name, type]));
    const tenant = world.key();
    await tenant.deadLetter();
    const { types } = await scrape();
    const ours = [...types].filter(([name]) => name.startsWith('spooled_'));
    expect(ours.length).toBeGreaterThanOrEqual(promised.length);
    for (const [name, type] of ours) expect([name, described.get(name)]).toEqual([name, type]);
  });

  it('names no organization, queue, job or worker', async () => {
    const tenant = world.key();
    const queue = 'a-queue-of-its-own';
    const id = await tenant.deadLetter({ queue_name: queue });
    const labels = [...(await scrape()).samples.keys()].join('\n');
    for (const value of [tenant.organizationId, id, queue, 'w-1', tenant.credential]) {
      expect(labels).not.toContain(value);
    }
  });
});

describe('a counter', () => {
  const leaseIds = new WeakMap<Tenant, string>();
  const prepared =
    (over: Record<string, unknown> = {}) =>
    async (tenant: Tenant): Promise<void> => {
      leaseIds.set(tenant, (await tenant.leased(over)).id);
    };
  const idOf = (tenant: Tenant): string => leaseIds.get(tenant)!;
  const nothing = async (): Promise<void> => undefined;
  const actions: readonly [
    what: string,
    prepare: (tenant: Tenant) => Promise<void>,
    act: (tenant: Tenant) => Promise<unknown>,
    moves: Readonly<Record<string, number>>,
  ][] = [
    ['an enqueue', nothing, (t) => t.enqueue(), { spooled_jobs_enqueued_total: 1 }],
    [
      'a known idempotency key',
      async (t) => void (await t.enqueue({ idempotency_key: 'k' })),
      (t) => t.enqueue({ idempotency_key: 'k' }),
      { spooled_jobs_enqueued_total: 0 },
    ],
    [
      'a bulk enqueue of three',
      nothing,
      (t) =>
        t.call('POST', '/jobs/bulk', {
          queue_name: 'emails',
          jobs: [1, 2, 3].map((payload) => ({ payload })),
        }),
      { spooled_jobs_enqueued_total: 3 },
    ],
    [
      'a claim',
      nothing,
      (t) => t.claim(),
      { 'spooled_lease_action_duration_seconds_count{action="claim"}': 1 },
    ],
    [
      'a completion',
      prepared(),
      (t) => t.complete(idOf(t)),
      {
        spooled_jobs_completed_total: 1,
        spooled_job_duration_seconds_count: 1,
        'spooled_lease_action_duration_seconds_count{action="complete"}': 1,
        spooled_lease_actions_refused_total: 0,
      },
    ],
    [
      'a failure with tries left',
      prepared(),
      (t) => t.fail(idOf(t)),
      {
        spooled_jobs_failed_total: 1,
        spooled_jobs_retried_total: 1,
        spooled_jobs_deadlettered_total: 0,
        'spooled_lease_action_duration_seconds_count{action="fail"}': 1,
      },
    ],
    [
      'the last failure',
      prepared({ max_retries: 0 }),
      (t) => t.fail(idOf(t)),
      {
        spooled_jobs_failed_total: 1,
        spooled_jobs_retried_total: 0,
        spooled_jobs_deadlettered_total: 1,
      },
    ],
    [
      'a renewal',
      prepared(),
      (t) => t.renew(idOf(t)),
      { 'spooled_lease_action_duration_seconds_count{action="renew"}': 1 },
    ],
    [
      'a completion by another worker',
      prepared(),
      (t) => t.complete(idOf(t), { worker_id: 'w-2' }),
      {
        spooled_jobs_completed_total: 0,
        spooled_lease_actions_refused_total: 1,
        'spooled_lease_action_duration_seconds_count{action="complete"}': 1,
      },
    ],
    [
      'a lease that ran out',
      prepared(),
      async (t) => {
        await t.expireLease(idOf(t));
        await eventually(async () => (await t.statusOf(idOf(t))) === 'pending');
      },
      { spooled_lease_expiries_total: 1 },
    ],
    [
      'a request',
      nothing,
      (t) => t.stats(),
      {
        'spooled_api_requests_total{method="GET",route="/api/v1/jobs/stats",status="200"}': 1,
        'spooled_api_request_duration_seconds_count{method="GET",route="/api/v1/jobs/stats"}': 1,
      },
    ],
  ];
  it.each(actions)('moves with %s', async (_, prepare, act, moves) => {
    const tenant = world.key();
    await prepare(tenant);
    const before = (await scrape()).samples;
    await act(tenant);
    // What is counted after the commit or the answer may be a moment late.
    await eventually(async () => {
      const after = (await scrape()).samples;
      const moved = Object.keys(moves).map((name) => [
        name,
        (after.get(name) ?? 0) - (before.get(name) ?? 0),
      ]);
      expect(Object.fromEntries(moved)).toEqual(moves);
    });
  });

  it('moves with what is given to the bus', async () => {
    const operations = async () => {
      const { samples } = await scrape();
      return (operation: string) =>
        samples.get(`spooled_redis_operations_total{operation="${operation}"}`)!;
    };
    const before = await operations();
    const tenant = world.key();
    // Who calls is asked of auth; the event and the hint that there is work are published.
    await tenant.enqueue();
    const { organizationId } = tenant;
    await world.others.request(jobsRpc.counters, { organizationId, queueNames: ['emails'] });
    await eventually(async () => {
      const after = await operations();
      expect(after('published')).toBeGreaterThanOrEqual(before('published') + 2);
      expect(after('requested')).toBeGreaterThanOrEqual(before('requested') + 1);
      expect(after('answered')).toBe(before('answered') + 1);
    });
  });
});

describe('a gauge', () => {
  it('shows the connections to the database, and those at work', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    // One that is idle may close between the two looks.
    await eventually(async () => {
      const { samples } = await scrape();
      const open = samples.get('spooled_database_connections')!;
      const { rows } = await world.owner.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
         where datname = current_database() and application_name like 'spooled_%'`,
      );
      expect(open).toBeGreaterThanOrEqual(1);
      expect(rows[0]!.count).toBeGreaterThanOrEqual(open);
      expect(samples.get('spooled_database_connections_active')).toBeLessThanOrEqual(open);
    });
  });

  it('shows a connection at work while it waits for a lock', async () => {
    const active = () => metric('spooled_database_connections_active');
    const tenant = world.key();
    await tenant.call('PUT', '/queues/emails/config', {});
    const blocker = await world.client();
    await blocker.query('begin');
    await blocker.query('select from jobs.queue where organization_id = $1 for update', [
      tenant.organizationId,
    ]);
    const calls = [1, 2].map((retries) =>
      tenant.call('PUT', '/queues/emails/config', { max_retries: retries }),
    );
    try {
      await eventually(async () => expect(await active()).toBeGreaterThanOrEqual(2));
    } finally {
      await blocker.query('rollback');
    }
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
    await eventually(async () => (await active()) < 2);
  });

  const waits: readonly [what: string, over: () => object, made: string, secs: number][] = [
    ['since it was made', () => ({}), '500 seconds', 500],
    ['since it is due, when that is later', () => ({ scheduled_at: dueAgo(900) }), '2 days', 900],
    [
      'and no longer, however long ago it should have been done',
      () => ({ scheduled_at: dueAgo(86_400) }),
      '1300 seconds',
      1300,
    ],
  ];
  it.each(waits)('shows how long the oldest job waits: %s', async (_, over, made, secs) => {
    const tenant = world.key();
    const id = await tenant.enqueue({ idempotency_key: 'k', priority: -100, ...over() });
    await world.owner.query('update jobs.job set created_at = now() - $2::interval where id = $1', [
      id,
      made,
    ]);
    await tenant.enqueue({ priority: 100 });
    // Asked for again, it does not begin to wait anew.
    await tenant.enqueue({ idempotency_key: 'k' });
    await eventually(async () => {
      const age = await metric('spooled_job_max_age_seconds');
      expect(age).toBeGreaterThanOrEqual(secs);
      expect(age).toBeLessThan(secs + 300);
    });
  });
});

function dueAgo(secs: number): string {
  return new Date(Date.now() - secs * 1000).toISOString();
}
