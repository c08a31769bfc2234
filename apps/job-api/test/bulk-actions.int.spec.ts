import type { BulkActionResponse } from '@spooled/contracts';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

const act = (tenant: Tenant, action: string, body: object) =>
  tenant.call<BulkActionResponse>('POST', `/jobs/bulk/${action}`, body);
const statuses = (tenant: Tenant, ids: readonly string[]) =>
  Promise.all(ids.map((id) => tenant.statusOf(id)));
async function many(tenant: Tenant, count: number, over: object = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await tenant.enqueue({ ...over }));
  return ids;
}
async function audited(tenant: Tenant, action: string): Promise<unknown[]> {
  const { rows } = await world.owner.query<{ details: unknown }>(
    'select details from audit.entry where organization_id = $1 and action = $2 order by id',
    [tenant.organizationId, action],
  );
  return rows.map(({ details }) => details);
}

describe('POST /jobs/bulk/cancel', () => {
  it('cancels what matches and has not begun, with all that depends on it, and tells', async () => {
    const tenant = world.key();
    const running = (await tenant.leased({ tags: ['old'] })).id;
    const [first, second] = await many(tenant, 2, { tags: ['old'] });
    const later = await tenant.enqueue({ tags: ['old'], scheduled_at: '2090-01-01T00:00:00Z' });
    const other = await tenant.enqueue({ tags: ['new'] });
    const child = await tenant.enqueue();
    await tenant.call('POST', `/jobs/${child}/dependencies`, { depends_on: [first] });
    const filter = { tag: 'old' };
    const dry = await act(tenant, 'cancel', { filter, dry_run: true });
    const nothing = { matched: 3, changed: 0, skipped: 0, has_more: false };
    expect(dry).toMatchObject({ status: 200, body: nothing });
    expect(await tenant.statusOf(first!)).toBe('pending');
    const { body } = await act(tenant, 'cancel', { filter });
    expect(body).toEqual({ matched: 3, changed: 3, skipped: 0, has_more: false });
    expect(await statuses(tenant, [first!, second!, later, child])).toEqual(
      Array(4).fill('cancelled'),
    );
    expect(await statuses(tenant, [running, other])).toEqual(['processing', 'pending']);
    expect(await tenant.story(later)).toEqual(['JobCreated 1', 'scheduled→cancelled 2']);
    expect(await audited(tenant, 'jobs.cancelled')).toEqual([{ filter, count: 3 }]);
    expect((await act(tenant, 'cancel', { filter })).body).toMatchObject({ matched: 0 });
  });

  it('goes through more than a batch, and says whether more remain', async () => {
    const tenant = world.key();
    const ids = await many(tenant, 130);
    const filter = { queue_name: 'emails' };
    const { body } = await act(tenant, 'cancel', { filter, limit: 120 });
    expect(body).toEqual({ matched: 120, changed: 120, skipped: 0, has_more: true });
    // The oldest first.
    expect(await statuses(tenant, [ids[0]!, ids[119]!, ids[120]!])).toEqual([
      'cancelled',
      'cancelled',
      'pending',
    ]);
    expect((await act(tenant, 'cancel', { filter, limit: 120 })).body).toEqual({
      matched: 10,
      changed: 10,
      skipped: 0,
      has_more: false,
    });
    expect(await tenant.stats()).toMatchObject({ cancelled: 130, pending: 0 });
  });

  it.each<[string, object]>([
    ['a queue', { queue_name: 'emails' }],
    ['a type', { job_type: 'a' }],
    ['a status', { status: 'scheduled' }],
    ['statuses', { status: ['scheduled', 'completed'] }],
    ['a search', { q: 'email' }],
    ['a time', { created_before: '2090-01-01T00:00:00Z', queue_name: 'emails' }],
  ])('takes %s', async (_, filter) => {
    const tenant = world.key();
    const scheduled_at = '2090-01-01T00:00:00Z';
    const hit = await tenant.enqueue({ payload: { job_type: 'a' }, scheduled_at });
    const miss = await tenant.enqueue({ queue_name: 'reports' });
    expect((await act(tenant, 'cancel', { filter })).body).toMatchObject({ changed: 1 });
    expect(await statuses(tenant, [hit, miss])).toEqual(['cancelled', 'pending']);
  });

  it('does nothing to what the status of the filter leaves out', async () => {
    const tenant = world.key();
    await tenant.enqueue();
    const { body } = await act(tenant, 'cancel', { filter: { status: 'completed' } });
    expect(body).toEqual({ matched: 0, changed: 0, skipped: 0, has_more: false });
  });

  it('stays within the organization and the queues of the key', async () => {
    const tenant = world.key();
    const [mails, report] = [
      await tenant.enqueue({ tags: ['x'] }),
      await tenant.enqueue({ tags: ['x'], queue_name: 'reports' }),
    ];
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['reports'] });
    const filter = { tag: 'x' };
    expect((await act(world.key(), 'cancel', { filter })).body).toMatchObject({ matched: 0 });
    expect((await act(scoped, 'cancel', { filter })).body).toMatchObject({ changed: 1 });
    expect(await statuses(tenant, [mails, report])).toEqual(['pending', 'cancelled']);
  });

  it.each<[string, object]>([
    ['without a filter', {}],
    ['with an empty filter', { filter: {} }],
    ['with an unknown condition', { filter: { queue: 'emails' } }],
    ['with an unknown status', { filter: { status: 'done' } }],
    ['with too large a limit', { filter: { tag: 'x' }, limit: 10_001 }],
    ['with no limit', { filter: { tag: 'x' }, limit: 0 }],
  ])('is refused %s', async (_, body) => {
    expect(await act(world.key(), 'cancel', body)).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR' },
    });
  });
});

describe('POST /jobs/bulk/retry', () => {
  it('returns what was given up to pending, and tells', async () => {
    const tenant = world.key();
    const ids = [await tenant.deadLetter(), await tenant.deadLetter()];
    const other = await tenant.deadLetter({ queue_name: 'reports' });
    const filter = { queue_name: 'emails' };
    const { body } = await act(tenant, 'retry', { filter });
    expect(body).toEqual({ matched: 2, changed: 2, skipped: 0, has_more: false });
    expect(await statuses(tenant, [...ids, other])).toEqual(['pending', 'pending', 'deadletter']);
    expect((await tenant.story(ids[0]!)).at(-1)).toBe('deadletter→pending 4');
    expect(await audited(tenant, 'jobs.retried')).toEqual([{ filter, count: 2 }]);
  });

  it('is refused when the plan has no room', async () => {
    const tenant = world.key({ plan: { max_active_jobs: 1 } });
    const id = await tenant.deadLetter();
    await tenant.enqueue();
    expect(await act(tenant, 'retry', { filter: { queue_name: 'emails' } })).toMatchObject({
      status: 429,
      body: { code: 'QUOTA_EXCEEDED' },
    });
    expect(await tenant.statusOf(id)).toBe('deadletter');
    expect(await audited(tenant, 'jobs.retried')).toEqual([]);
  });
});

describe('POST /jobs/bulk/priority', () => {
  it('changes what has not begun, and claims go by it', async () => {
    const tenant = world.key();
    await many(tenant, 2);
    const [late] = await many(tenant, 1, { payload: { job_type: 'vip' } });
    const filter = { job_type: 'vip' };
    const { body } = await act(tenant, 'priority', { filter, priority: 9 });
    expect(body).toMatchObject({ matched: 1, changed: 1 });
    expect(await tenant.claim()).toMatchObject([{ id: late, priority: 9 }]);
    expect(await audited(tenant, 'jobs.reprioritized')).toEqual([{ filter, count: 1 }]);
    const refused = await act(tenant, 'priority', { filter, priority: 101 });
    expect(refused.status).toBe(400);
  });
});
