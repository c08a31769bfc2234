import { randomUUID } from 'node:crypto';
import { brokenPromises } from './model-invariants.js';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup({ environment: { LEASE_REAP_INTERVAL_MS: '100' } });
});
afterAll(() => world.stop());

type Body = Record<string, unknown>;
interface Neighbour {
  readonly job_id: string;
  readonly status: string;
}

function add(tenant: Tenant, id: string, body: Body) {
  return tenant.call('POST', `/jobs/${id}/dependencies`, body);
}

function wait(tenant: Tenant, id: string, ...parents: string[]) {
  return add(tenant, id, { depends_on: parents });
}

function look(tenant: Tenant, id: string) {
  return tenant.call<Body & { dependencies: Neighbour[]; dependents: Neighbour[] }>(
    'GET',
    `/jobs/${id}/dependencies`,
  );
}

/** Ends a job that is next in its queue. */
async function complete(tenant: Tenant, id: string): Promise<void> {
  const [job] = await tenant.claim();
  expect(job?.id).toBe(id);
  expect((await tenant.complete(id)).status).toBe(200);
}

async function isWaiting(tenant: Tenant, id: string): Promise<boolean> {
  return !(await tenant.job(id)).dependencies_met;
}

describe('POST /jobs/{id}/dependencies', () => {
  it.each(['depends_on', 'depends_on_job_ids', 'dependency_job_ids'])(
    'takes the ids as %s',
    async (name) => {
      const tenant = world.key();
      const parent = await tenant.enqueue();
      const child = await tenant.enqueue();
      const { status, body } = await add(tenant, child, { [name]: [parent] });
      expect(status).toBe(200);
      expect(body).toEqual({
        job_id: child,
        dependencies_added: 1,
        added: 1,
        added_count: 1,
        dependencies: [{ job_id: child, depends_on_job_id: parent, dependency_type: 'all' }],
        dependencies_met: false,
      });
      expect((await tenant.claim({ limit: 5 })).map(({ id }) => id)).toEqual([parent]);
    },
  );

  it('takes the first name when several are given', async () => {
    const tenant = world.key();
    const [first, second, child] = [
      await tenant.enqueue(),
      await tenant.enqueue(),
      await tenant.enqueue(),
    ];
    const { body } = await add(tenant, child, {
      dependency_job_ids: [second],
      depends_on: [first],
    });
    expect(body['dependencies']).toEqual([
      { job_id: child, depends_on_job_id: first, dependency_type: 'all' },
    ]);
  });

  const modes: [body: Body, mode: string][] = [
    [{}, 'all'],
    [{ dependency_mode: 'all' }, 'all'],
    [{ dependency_mode: 'any' }, 'any'],
    [{ dependency_type: 'any' }, 'any'],
    [{ dependency_type: 'success' }, 'all'],
    [{ dependency_mode: 'ANY' }, 'all'],
    [{ dependency_mode: 7 }, 'all'],
    [{ dependency_mode: null }, 'all'],
    [{ dependency_mode: 'all', dependency_type: 'any' }, 'all'],
  ];
  it.each(modes)('reads %j as %s', async (over, mode) => {
    const tenant = world.key();
    const parent = await tenant.enqueue();
    const child = await tenant.enqueue();
    const { status, body } = await add(tenant, child, { depends_on: [parent], ...over });
    expect([status, body['dependencies']]).toEqual([
      200,
      [{ job_id: child, depends_on_job_id: parent, dependency_type: mode }],
    ]);
    expect(await tenant.job(child)).toMatchObject({ dependency_mode: mode });
  });

  const malformed: [what: string, body: Body | string][] = [
    ['no ids', {}],
    ['null as ids', { depends_on: null }],
    ['an empty list', { depends_on: [] }],
    ['a text', { depends_on: 'x' }],
    ['numbers', { depends_on: [1] }],
    ['101 ids', { depends_on: Array.from({ length: 101 }, () => randomUUID()) }],
    ['no body', ''],
  ];
  it.each(malformed)('refuses %s', async (_, body) => {
    const tenant = world.key();
    const { status } = await tenant.call(
      'POST',
      `/jobs/${await tenant.enqueue()}/dependencies`,
      body,
    );
    expect(status).toBe(400);
  });

  it('knows no dependency that is unknown, foreign or out of scope, and then adds none', async () => {
    const tenant = world.key();
    const { organizationId } = tenant;
    const child = await tenant.enqueue();
    const good = await tenant.enqueue();
    const secret = await tenant.enqueue({ queue_name: 'secret' });
    const foreign = await world.key().enqueue();
    const scoped = world.key({ organizationId, queues: ['emails'] });
    for (const id of [randomUUID(), 'no-uuid', foreign, secret]) {
      const { status, body } = await wait(scoped, child, good, id);
      expect([id, status, body['code']]).toEqual([id, 404, 'NOT_FOUND']);
    }
    expect((await look(tenant, child)).body.dependencies).toEqual([]);
    expect(await isWaiting(tenant, child)).toBe(false);
    expect((await wait(tenant, child, good, secret)).status).toBe(200);
  });

  it('knows no child that is unknown, foreign or out of scope', async () => {
    const tenant = world.key();
    const { organizationId } = tenant;
    const parent = await tenant.enqueue();
    const secret = await tenant.enqueue({ queue_name: 'secret' });
    const foreign = await world.key().enqueue();
    const scoped = world.key({ organizationId, queues: ['emails'] });
    for (const id of [randomUUID(), 'no-uuid', foreign, secret]) {
      for (const { status } of [await wait(scoped, id, parent), await look(scoped, id)]) {
        expect([id, status]).toEqual([id, 404]);
      }
    }
    expect(await isWaiting(tenant, secret)).toBe(false);
  });

  it('skips the job itself, duplicates, and what would close a ring', async () => {
    const tenant = world.key();
    const [a, b, c] = [await tenant.enqueue(), await tenant.enqueue(), await tenant.enqueue()];
    expect((await wait(tenant, b, a, a, b)).body).toMatchObject({ added: 1 });
    expect((await wait(tenant, b, a)).body).toMatchObject({
      added: 0,
      dependencies: [],
      dependencies_met: false,
    });
    await wait(tenant, c, b);
    expect((await wait(tenant, a, b)).body).toMatchObject({ added: 0, dependencies_met: true });
    expect((await wait(tenant, a, c, a)).body).toMatchObject({ added: 0, dependencies_met: true });
    expect((await wait(tenant, c, a, b)).body).toMatchObject({ added: 1 });
    for (const id of [a, b, c]) await complete(tenant, id);
  });

  it('lets no two calls close a ring together', async () => {
    for (let round = 0; round < 10; round += 1) {
      const tenant = world.key();
      const ids = [await tenant.enqueue(), await tenant.enqueue(), await tenant.enqueue()];
      const answers = await Promise.all(ids.map((id, n) => wait(tenant, id, ids[(n + 1) % 3]!)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(answers.map(({ body }) => body['added']).toSorted()).toEqual([0, 1, 1]);
      for (let left = 3; left > 0; left -= 1) {
        const [job] = await tenant.claim({ limit: 5 });
        await tenant.complete(job!.id);
      }
      expect((await tenant.stats()).completed).toBe(3);
    }
  });

  const begun: [how: string, begin: (tenant: Tenant) => Promise<string>, status: string][] = [
    ['processing', async (tenant) => (await tenant.leased()).id, 'processing'],
    [
      'completed',
      async (tenant) => {
        const { id } = await tenant.leased();
        await tenant.complete(id);
        return id;
      },
      'completed',
    ],
    [
      'cancelled',
      async (tenant) => {
        const id = await tenant.enqueue();
        await tenant.cancel(id);
        return id;
      },
      'cancelled',
    ],
    ['a dead letter', (tenant) => tenant.deadLetter(), 'deadletter'],
  ];
  it.each(begun)('is refused for a job that is %s', async (_, begin, was) => {
    const tenant = world.key();
    const id = await begin(tenant);
    const { status, body } = await wait(tenant, id, await tenant.enqueue());
    expect([status, body['code']]).toEqual([409, 'CONFLICT']);
    expect(await tenant.statusOf(id)).toBe(was);
    expect((await look(tenant, id)).body.dependencies).toEqual([]);
  });

  it('is refused when the job could never run then', async () => {
    const tenant = world.key();
    const dead = await tenant.deadLetter();
    const gone = await tenant.enqueue();
    await tenant.cancel(gone);
    const live = await tenant.enqueue();
    const child = await tenant.enqueue();
    expect((await wait(tenant, child, live, dead)).status).toBe(409);
    expect((await wait(tenant, child, gone)).status).toBe(409);
    const any = { dependency_mode: 'any' };
    expect((await add(tenant, child, { depends_on: [dead, gone], ...any })).status).toBe(409);
    expect((await look(tenant, child)).body.dependencies).toEqual([]);
    expect((await add(tenant, child, { depends_on: [dead, live], ...any })).status).toBe(200);
    await complete(tenant, live);
    await complete(tenant, child);
  });

  it('counts a dependency that is completed as met', async () => {
    const tenant = world.key();
    const { id: done } = await tenant.leased();
    await tenant.complete(done);
    const child = await tenant.enqueue();
    expect((await wait(tenant, child, done)).body).toMatchObject({
      added: 1,
      dependencies_met: true,
    });
    const live = await tenant.enqueue({ priority: 5 });
    expect((await wait(tenant, child, live)).body).toMatchObject({
      added: 1,
      dependencies_met: false,
    });
    await complete(tenant, live);
    await complete(tenant, child);
  });

  it('frees a job whose mode becomes any when one of its dependencies is completed', async () => {
    const tenant = world.key();
    const [a, b, child] = [await tenant.enqueue(), await tenant.enqueue(), await tenant.enqueue()];
    await wait(tenant, child, a, b);
    await complete(tenant, a);
    const claiming = tenant.claim({ wait_secs: 20, queue_name: 'emails', worker_id: 'w-2' });
    expect((await claiming)[0]!.id).toBe(b);
    const waiting = tenant.claim({ wait_secs: 20 });
    await tenant.stats();
    const { body } = await add(tenant, child, { depends_on: [b], dependency_mode: 'any' });
    expect(body).toMatchObject({ added: 0, dependencies_met: true });
    expect((await waiting)[0]!.id).toBe(child);
  });

  it('lets a scheduled job keep its time, whatever comes first', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue({ priority: 1 });
    const time = '2090-01-01T00:00:00.000Z';
    const early = await tenant.enqueue({ scheduled_at: time });
    const late = await tenant.enqueue({ scheduled_at: time });
    for (const id of [early, late]) {
      expect((await wait(tenant, id, parent)).status).toBe(200);
      expect(await tenant.job(id)).toMatchObject({
        status: 'scheduled',
        scheduled_at: time,
        dependencies_met: false,
      });
    }
    await tenant.makeDue(early);
    expect((await tenant.claim({ limit: 5 })).map(({ id }) => id)).toEqual([parent]);
    await tenant.complete(parent);
    expect((await tenant.claim({ limit: 5 })).map(({ id }) => id)).toEqual([early]);
    expect(await tenant.job(late)).toMatchObject({
      status: 'scheduled',
      scheduled_at: time,
      dependencies_met: true,
    });
    await tenant.makeDue(late);
    expect((await tenant.claim({ wait_secs: 20 }))[0]!.id).toBe(late);
    expect(await brokenPromises(tenant)).toEqual([]);
  });

  it('makes a job that backs off wait for both', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await tenant.fail(id);
    const parent = await tenant.enqueue();
    await wait(tenant, id, parent);
    await tenant.makeDue(id);
    await complete(tenant, parent);
    expect((await tenant.claim({ wait_secs: 20 }))[0]!.id).toBe(id);
    expect(await tenant.story(id)).toEqual([
      'JobCreated 1',
      'pending→processing 2',
      'processing→pending 3',
      'JobFailed 3',
      'pending→processing 4',
    ]);
  });

  it('cancels the job when a dependency ends without completing', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue({ max_retries: 0 });
    const child = await tenant.enqueue({ scheduled_at: '2090-01-01T00:00:00Z' });
    await wait(tenant, child, parent);
    await tenant.claim();
    await tenant.fail(parent);
    expect(await tenant.job(child)).toMatchObject({ status: 'cancelled' });
    expect(await tenant.story(child)).toEqual(['JobCreated 1', 'scheduled→cancelled 2']);
    expect(await brokenPromises(tenant)).toEqual([]);
  });

  it('lets a waiting job be cancelled and re-prioritized like any other', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue();
    const [child, other] = [await tenant.enqueue(), await tenant.enqueue()];
    await wait(tenant, child, parent);
    await wait(tenant, other, parent);
    expect((await tenant.call('PUT', `/jobs/${other}/priority`, { priority: 9 })).status).toBe(200);
    expect((await tenant.cancel(child)).status).toBe(204);
    await complete(tenant, parent);
    expect((await tenant.claim({ limit: 5 })).map(({ id, priority }) => [id, priority])).toEqual([
      [other, 9],
    ]);
  });

  it('adds to a child that has a parent', async () => {
    const tenant = world.key();
    const [parent, second] = [await tenant.enqueue(), await tenant.enqueue()];
    const child = await tenant.enqueue({ parent_job_id: parent });
    expect((await wait(tenant, child, second)).body).toMatchObject({ added: 1 });
    await complete(tenant, parent);
    expect(await isWaiting(tenant, child)).toBe(true);
    await complete(tenant, second);
    await complete(tenant, child);
  });
});

describe('GET /jobs/{id}/dependencies', () => {
  it('shows both directions, each with its own mode, and where they stand', async () => {
    const tenant = world.key();
    const { id: done } = await tenant.leased();
    await tenant.complete(done);
    const live = await tenant.enqueue({ queue_name: 'other' });
    const job = await tenant.enqueue();
    const dependent = await tenant.enqueue();
    await wait(tenant, job, done, live);
    await add(tenant, dependent, { depends_on: [job], dependency_mode: 'any' });
    const { status, body } = await look(tenant, job);
    expect(status).toBe(200);
    expect(body).toEqual({
      job_id: job,
      status: 'pending',
      dependency_mode: 'all',
      dependencies: [
        {
          job_id: done,
          queue_name: 'emails',
          status: 'completed',
          completed: true,
          dependency_type: 'all',
        },
        {
          job_id: live,
          queue_name: 'other',
          status: 'pending',
          completed: false,
          dependency_type: 'all',
        },
      ],
      dependents: [
        {
          job_id: dependent,
          queue_name: 'emails',
          status: 'pending',
          completed: false,
          dependency_type: 'any',
        },
      ],
      dependencies_met: false,
    });
  });

  it('shows nothing for a job without', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    expect((await look(tenant, id)).body).toEqual({
      job_id: id,
      status: 'pending',
      dependency_mode: 'all',
      dependencies: [],
      dependents: [],
      dependencies_met: true,
    });
  });

  it('leaves out neighbours the key may not see', async () => {
    const tenant = world.key();
    const secret = await tenant.enqueue({ queue_name: 'secret' });
    const job = await tenant.enqueue();
    const child = await tenant.enqueue({ queue_name: 'secret' });
    await wait(tenant, job, secret);
    await wait(tenant, child, job);
    const { organizationId } = tenant;
    const { body } = await look(world.key({ organizationId, queues: ['emails'] }), job);
    expect(body).toMatchObject({ dependencies: [], dependents: [], dependencies_met: false });
  });

  it('shows parents given at creation', async () => {
    const tenant = world.key();
    const parent = await tenant.enqueue();
    const child = await tenant.enqueue({ parent_job_id: parent });
    const { body } = await look(tenant, parent);
    expect(body.dependents.map(({ job_id }) => job_id)).toEqual([child]);
  });
});

describe('adding while parents end', () => {
  const modes = ['all', 'any'];
  it.each(modes)('neither loses nor hastens a release (%s)', async (mode) => {
    for (let round = 0; round < 40; round += 1) {
      const tenant = world.key();
      const known = await tenant.enqueue();
      const child = await tenant.enqueue({ queue_name: 'child' });
      await wait(tenant, child, known);
      const added = [await tenant.enqueue(), await tenant.enqueue()];
      const parents = [known, ...added];
      await tenant.claim({ limit: 3 });
      const [answer, ...settled] = await Promise.all([
        add(tenant, child, { depends_on: added, dependency_mode: mode }),
        ...parents.map((id) => tenant.complete(id)),
      ]);
      expect(settled.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect([200, 409]).toContain(answer.status);
      expect(await isWaiting(tenant, child)).toBe(false);
      expect((await tenant.claim({ queue_name: 'child' })).map(({ id }) => id)).toEqual([child]);
      expect(await brokenPromises(tenant)).toEqual([]);
    }
  });

  it('keeps the job waiting for the one that has not ended', async () => {
    for (let round = 0; round < 40; round += 1) {
      const tenant = world.key();
      const known = await tenant.enqueue();
      const child = await tenant.enqueue({ queue_name: 'child' });
      await wait(tenant, child, known);
      const [ending, staying] = [await tenant.enqueue(), await tenant.enqueue()];
      await tenant.claim({ limit: 3 });
      const [answer, ...settled] = await Promise.all([
        wait(tenant, child, ending, staying),
        tenant.complete(known),
        tenant.complete(ending),
      ]);
      expect([answer.status, ...settled.map(({ status }) => status)]).toEqual([200, 200, 200]);
      expect(await isWaiting(tenant, child)).toBe(true);
      await tenant.complete(staying);
      expect((await tenant.claim({ queue_name: 'child' })).map(({ id }) => id)).toEqual([child]);
    }
  });

  it('cancels the job, or refuses, when the new parent dies', async () => {
    for (let round = 0; round < 30; round += 1) {
      const tenant = world.key();
      const known = await tenant.enqueue();
      const child = await tenant.enqueue({ queue_name: 'child' });
      await wait(tenant, child, known);
      const dying = await tenant.enqueue({ max_retries: 0 });
      await tenant.claim({ limit: 2 });
      const [answer, failed] = await Promise.all([wait(tenant, child, dying), tenant.fail(dying)]);
      expect(failed.status).toBe(200);
      const isAdded = answer.status === 200;
      expect([200, 409]).toContain(answer.status);
      expect(await tenant.statusOf(child)).toBe(isAdded ? 'cancelled' : 'pending');
      await tenant.complete(known);
      const claimed = await tenant.claim({ queue_name: 'child' });
      expect(claimed).toHaveLength(isAdded ? 0 : 1);
      expect(await brokenPromises(tenant)).toEqual([]);
    }
  });

  it('begins no job that was told to wait, also when it is claimed meanwhile', async () => {
    for (let round = 0; round < 30; round += 1) {
      const tenant = world.key();
      const { id: parent } = await tenant.leased();
      const child = await tenant.enqueue();
      const [answer, claimed] = await Promise.all([wait(tenant, child, parent), tenant.claim()]);
      const isClaimed = claimed.length === 1;
      expect(answer.status).toBe(isClaimed ? 409 : 200);
      expect(await tenant.statusOf(child)).toBe(isClaimed ? 'processing' : 'pending');
    }
  });
});
