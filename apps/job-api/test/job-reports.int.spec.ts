import {
  jobLogged,
  jobProgressed,
  MAX_EVENT_BYTES,
  type ControlEvent,
  type JobLogData,
} from '@spooled/contracts';
import { auditMigrations } from '@spooled/audit';
import { eventLogMigrations } from '@spooled/event-log';
import { runMigrations } from '@spooled/postgres';
import { eventually, testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { migrations } from '../src/migrations/index.js';
import { World, type Tenant } from './setup.js';

type Report = Extract<ControlEvent, { type: 'JobProgress' | 'JobLog' }>;
type Body = Readonly<Record<string, unknown>>;

let world: World;
/** What every gateway hears, by organization. */
const heard = new Map<string, Report[]>();

beforeAll(async () => {
  world = await World.setup();
  const hear = (organizationId: string, report: Report): void => {
    heard.set(organizationId, [...heardOf({ organizationId }), report]);
  };
  world.others.onHint(jobProgressed, (data, id) => hear(id, { type: 'JobProgress', data }));
  world.others.onHint(jobLogged, (data, id) => hear(id, { type: 'JobLog', data }));
  await world.others.connection.flush();
});
afterAll(() => world.stop());

function heardOf({ organizationId }: Pick<Tenant, 'organizationId'>): readonly Report[] {
  return heard.get(organizationId) ?? [];
}

const report = (tenant: Tenant, id: string, over: Body = {}) =>
  tenant.call('POST', `/jobs/${id}/progress`, { worker_id: 'w-1', percent: 50, ...over });
const append = (tenant: Tenant, id: string, lines: readonly string[], over: Body = {}) =>
  tenant.call('POST', `/jobs/${id}/logs`, { worker_id: 'w-1', lines, ...over });
const read = async (tenant: Tenant, id: string, query = '?limit=1000') => {
  const path = `/jobs/${id}/logs${query}`;
  return (await tenant.call<{ line: string; logged_at: string }[]>('GET', path)).body;
};
const logsOf = (tenant: Tenant): readonly JobLogData[] =>
  heardOf(tenant).flatMap(({ type, data }) => (type === 'JobLog' ? [data] : []));

/** Each event's lines are those that REST has at its offset, and together they are all of them. */
async function expectWhole(tenant: Tenant, id: string, count: number): Promise<void> {
  await eventually(() =>
    expect(logsOf(tenant).reduce((sum, { lines }) => sum + lines.length, 0)).toBe(count),
  );
  const stored = await read(tenant, id);
  expect(stored).toHaveLength(count);
  let next = 0;
  for (const { offset, lines, timestamp } of [...logsOf(tenant)].sort(byOffset)) {
    expect(offset).toBe(next);
    const there = stored.slice(offset, offset + lines.length);
    expect(there.map(({ line }) => line)).toEqual(lines);
    expect(new Set(there.map(({ logged_at }) => logged_at))).toEqual(new Set([timestamp]));
    next += lines.length;
  }
}
const byOffset = (a: JobLogData, b: JobLogData): number => a.offset - b.offset;

it('progress is told as it is stored, after the commit', async () => {
  const tenant = world.key();
  const { id } = await tenant.leased();
  await report(tenant, id, { percent: 100 / 3, message: 'a third' });
  await report(tenant, id, { percent: 99 });
  await eventually(() => expect(heardOf(tenant)).toHaveLength(2));
  const { progress } = await tenant.job(id);
  const common = { job_id: id, queue_name: 'emails', worker_id: 'w-1' };
  const [first, last] = heardOf(tenant);
  expect(first).toEqual({
    type: 'JobProgress',
    data: {
      ...common,
      percent: expect.closeTo(100 / 3, 4),
      message: 'a third',
      timestamp: expect.any(String),
    },
  });
  expect(last).toEqual({
    type: 'JobProgress',
    data: { ...common, percent: 99, message: null, timestamp: progress!['updated_at'] },
  });
  expect(await tenant.story(id)).toHaveLength(2);
});

it('concurrent reports of a job have times in the order in which they were stored', async () => {
  const tenant = world.key();
  const { id } = await tenant.leased();
  await Promise.all(Array.from({ length: 40 }, (_, percent) => report(tenant, id, { percent })));
  await eventually(() => expect(heardOf(tenant)).toHaveLength(40));
  const { progress } = await tenant.job(id);
  const last = progress!['updated_at'] as string;
  const newest = heardOf(tenant).filter(({ data }) => data.timestamp >= last);
  expect(newest).toContainEqual(
    expect.objectContaining({ data: expect.objectContaining({ percent: progress!['percent'] }) }),
  );
  for (const { data } of newest) expect(data.timestamp).toBe(last);
});

it('lines are told with the offset at which they are read', async () => {
  const tenant = world.key();
  const { id } = await tenant.leased();
  for (const lines of [['a', 'b'], ['', 'ü€😀', '\u0007"\\'], ['f']]) {
    expect((await append(tenant, id, lines)).status).toBe(200);
  }
  await expectWhole(tenant, id, 6);
  expect(logsOf(tenant).map(({ offset }) => offset)).toEqual([0, 2, 5]);
  expect(logsOf(tenant)[1]).toMatchObject({ job_id: id, queue_name: 'emails', worker_id: 'w-1' });
  const page = await read(tenant, id, '?offset=2&limit=3');
  expect(page.map(({ line }) => line)).toEqual(logsOf(tenant)[1]!.lines);
});

it.each([
  ['ASCII', 'x'.repeat(4096)],
  ['of three bytes', '€'.repeat(4096)],
  ['that JSON escapes', '\u0001'.repeat(4096)],
])('100 of the longest lines, %s, are told in events that are small enough', async (_, line) => {
  const tenant = world.key();
  const { id } = await tenant.leased();
  const lines = Array.from({ length: 100 }, () => line);
  expect((await append(tenant, id, lines)).status).toBe(200);
  await expectWhole(tenant, id, 100);
  for (const event of heardOf(tenant)) {
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThanOrEqual(MAX_EVENT_BYTES);
  }
});

it('concurrent calls for one job and for others leave no gap and no overlap', async () => {
  const [tenant, other] = [world.key(), world.key()];
  const { id } = await tenant.leased();
  const { id: beside } = await other.leased();
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, call) => {
      await append(other, beside, [`beside ${call}`]);
      const lines = Array.from({ length: (call % 7) + 1 }, (_line, n) => `${call} ${n}`);
      return append(tenant, id, lines);
    }),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(60);
  await expectWhole(tenant, id, 8 * (1 + 2 + 3 + 4 + 5 + 6 + 7) + 1 + 2 + 3 + 4);
  await expectWhole(other, beside, 60);
});

it('who holds no lease is refused and tells nothing', async () => {
  const tenant = world.key();
  const { id, lease_id } = await tenant.leased();
  const { organizationId } = tenant;
  const foreign = world.key();
  const scoped = world.key({ organizationId, queues: ['reports'] });
  const waiting = await tenant.enqueue({ queue_name: 'waiting' });
  const { id: done } = await tenant.leased({ queue_name: 'done' });
  await tenant.complete(done);
  const { id: expired } = await tenant.leased({ queue_name: 'expired' });
  await tenant.expireLease(expired);
  const intruders: [Tenant, string, Body, number][] = [
    [tenant, id, { worker_id: 'w-2' }, 404],
    [tenant, id, { lease_id: randomUUID() }, 409],
    [foreign, id, { lease_id }, 404],
    [scoped, id, { lease_id }, 404],
    [tenant, waiting, {}, 404],
    [tenant, done, {}, 409],
    [tenant, expired, {}, 409],
  ];
  for (const [caller, job, over, status] of intruders) {
    expect((await report(caller, job, over)).status).toBe(status);
    expect((await append(caller, job, ['no'], over)).status).toBe(status);
  }
  await report(tenant, id, { lease_id });
  await append(tenant, id, ['yes'], { lease_id });
  await eventually(() => expect(heardOf(tenant)).toHaveLength(2));
  expect(heardOf(tenant).map(({ data }) => data.job_id)).toEqual([id, id]);
  expect(logsOf(tenant)).toMatchObject([{ offset: 0, lines: ['yes'] }]);
  expect(heardOf(foreign)).toEqual([]);
});

it('the next holder of a job goes on where the last one was, who is heard no more', async () => {
  const tenant = world.key();
  const { id } = await tenant.leased();
  await append(tenant, id, ['a', 'b']);
  await tenant.fail(id);
  await tenant.makeDue(id);
  expect(await tenant.claim({ wait_secs: 20, worker_id: 'w-2' })).toHaveLength(1);
  expect((await append(tenant, id, ['late'])).status).toBe(404);
  expect((await report(tenant, id)).status).toBe(404);
  await append(tenant, id, ['c'], { worker_id: 'w-2' });
  await report(tenant, id, { worker_id: 'w-2' });
  await eventually(() => expect(heardOf(tenant)).toHaveLength(3));
  expect(heardOf(tenant).map(({ data }) => data.worker_id)).toEqual(['w-1', 'w-2', 'w-2']);
  await expectWhole(tenant, id, 3);
});

it('lines from before they were counted keep their numbers', async () => {
  const { url, drop } = await testDatabase({ isEmpty: true });
  const before = migrations.filter(({ name }) => name < '0004');
  await runMigrations(url, [...eventLogMigrations, ...auditMigrations, ...before]);
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  const [organizationId, id] = [randomUUID(), randomUUID()];
  await owner.query(
    `insert into jobs.job_log (organization_id, id, line, logged_at)
     select $1, $2, n::text, now() from generate_series(1, 5) n`,
    [organizationId, id],
  );
  await runMigrations(url, [...eventLogMigrations, ...auditMigrations, ...migrations]);
  const { rows } = await owner.query('select * from jobs.job_log_count');
  await owner.end();
  await drop();
  expect(rows).toEqual([{ organization_id: organizationId, id, lines: 5 }]);
});
