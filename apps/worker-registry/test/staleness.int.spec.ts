import { eventually } from '@spooled/testing';
import { ReleaseRetry } from '../src/maintenance/release-retry.js';
import { WorkerPruner } from '../src/maintenance/worker-pruner.js';
import { free, World } from './setup.js';

/** A dead bus is noticed and found again within seconds, not milliseconds. */
const RECOVERY = { timeoutMs: 60_000 };

describe('a worker that falls silent', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.setup();
  });
  afterAll(() => world.stop());

  it('goes offline after two minutes, is told of, and its jobs are given back', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.register(credential);
    await world.silence(id, 121);
    await eventually(async () => expect(await world.statusOf(credential, id)).toBe('offline'));
    await eventually(() =>
      expect(world.releases).toContainEqual({
        organizationId,
        workerId: id,
        cause: 'stale',
        leasedBefore: expect.any(String),
      }),
    );
    expect(await world.events(organizationId)).toMatchObject([
      { type: 'WorkerRegistered' },
      {
        type: 'WorkerDeregistered',
        data: { worker_id: id, queue_name: 'emails', reason: 'stale' },
      },
    ]);
  });

  it('stays as it is before that', async () => {
    const { credential } = world.key();
    const [early, late] = [await world.register(credential), await world.register(credential)];
    await world.silence(early, 60);
    await world.silence(late, 121);
    await eventually(async () => expect(await world.statusOf(credential, late)).toBe('offline'));
    expect(await world.statusOf(credential, early)).toBe('healthy');
  });

  it.each(['draining', 'offline', 'degraded'])(
    'is swept also when it last said %s',
    async (status) => {
      const { organizationId, credential } = world.key();
      const id = await world.register(credential);
      await world.beat(credential, id, { status });
      await world.silence(id, 121);
      await eventually(async () =>
        expect((await world.events(organizationId)).at(-1)).toMatchObject({
          type: 'WorkerDeregistered',
          data: { reason: 'stale' },
        }),
      );
    },
  );

  it('frees its slot, and may come back beyond the limit', async () => {
    const { credential } = world.key({ plan: free });
    const first = await world.register(credential);
    await world.silence(first, 121);
    await eventually(async () => expect(await world.statusOf(credential, first)).toBe('offline'));
    const second = await world.register(credential);
    expect(await world.statusOf(credential, second)).toBe('healthy');
    expect((await world.beat(credential, first)).status).toBe(200);
    expect(await world.statusOf(credential, first)).toBe('healthy');
  });

  it('does not come back after it deregistered as well', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.register(credential);
    await world.silence(id, 121);
    await eventually(async () => expect(await world.statusOf(credential, id)).toBe('offline'));
    expect((await world.call(credential, 'POST', `/workers/${id}/deregister`)).status).toBe(204);
    expect((await world.beat(credential, id)).status).toBe(409);
    const ends = (await world.events(organizationId)).filter(
      ({ type }) => type === 'WorkerDeregistered',
    );
    expect(ends).toHaveLength(1);
  });

  it('is forgotten a week after its end, and its id is free for anyone', async () => {
    const [{ credential, organizationId }, other] = [world.key(), world.key()];
    const ids = [`old-${organizationId}`, `recent-${organizationId}`, `alive-${organizationId}`];
    for (const id of ids) await world.register(credential, { worker_id: id });
    for (const id of ids.slice(0, 2))
      await world.call(credential, 'POST', `/workers/${id}/deregister`);
    await world.owner.query(
      `update workers.worker set updated_at = now() - interval '8 days' where id = any ($1)`,
      [[ids[0], ids[2]]],
    );
    await world.context.get(WorkerPruner).step();
    expect(await world.statusOf(credential, ids[0]!)).toBeUndefined();
    expect(await world.statusOf(credential, ids[1]!)).toBe('offline');
    expect(await world.statusOf(credential, ids[2]!)).toBe('healthy');
    expect(await world.register(other.credential, { worker_id: ids[0] })).toBe(ids[0]);
  });
});

describe('jobs that cannot be given back at once', () => {
  it('are given back when job-api appears, with the cause they were released for', async () => {
    const world = await World.setup({ withJobApi: false });
    const { organizationId, credential } = world.key();
    const [left, lost, returned] = [
      await world.register(credential),
      await world.register(credential),
      await world.register(credential),
    ];
    await world.silence(lost, 121);
    for (const id of [left, returned]) {
      expect((await world.call(credential, 'POST', `/workers/${id}/deregister`)).status).toBe(204);
    }
    await eventually(async () => expect(await world.statusOf(credential, lost)).toBe('offline'));
    // A worker that is back keeps its jobs: giving them back late would take those of its new life.
    await world.register(credential, { worker_id: returned });

    // The end, not the time of the repetition: what was leased since belongs to another life.
    const ends = new Map([
      [left, await world.endOf(left)],
      [lost, await world.endOf(lost)],
    ]);
    world.startJobApi();
    await eventually(() => {
      expect(world.releases).toContainEqual({
        organizationId,
        workerId: left,
        cause: 'requested',
        leasedBefore: ends.get(left),
      });
      expect(world.releases).toContainEqual({
        organizationId,
        workerId: lost,
        cause: 'stale',
        leasedBefore: ends.get(lost),
      });
    }, RECOVERY);
    await eventually(async () => {
      const { rows } = await world.owner.query(
        'select from workers.worker where release_cause is not null',
      );
      expect(rows).toHaveLength(0);
    });
    await world.context.get(ReleaseRetry).step();
    expect(world.releases.map(({ workerId }) => workerId).sort()).toEqual([left, lost].sort());
    await world.stop();
  });

  it('are given back when the bus returns', async () => {
    const world = await World.setup();
    const { organizationId, credential } = world.key();
    const id = await world.register(credential);
    await world.nats.stop();
    expect((await world.call(credential, 'POST', `/workers/${id}/deregister`)).status).toBe(204);
    expect(world.releases).toEqual([]);
    await world.nats.start();
    await eventually(
      () =>
        expect(world.releases).toEqual([
          { organizationId, workerId: id, cause: 'requested', leasedBefore: expect.any(String) },
        ]),
      RECOVERY,
    );
    await world.stop();
  });
});
