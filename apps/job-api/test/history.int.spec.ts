import { historyEvent, plans, type HistoryEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { LeaseReaper } from '../src/maintenance/lease-reaper.js';
import { RetentionPruner } from '../src/maintenance/retention-pruner.js';
import { World, type Tenant } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

async function history(tenant: Tenant, id: string, query = ''): Promise<HistoryEvent[]> {
  const { body } = await tenant.call<HistoryEvent[]>('GET', `/jobs/${id}/history${query}`);
  return body;
}
/** `created 1`, `processing 2 #1` …: event, transition and attempt. */
async function story(tenant: Tenant, id: string, query = ''): Promise<string[]> {
  return (await history(tenant, id, query)).map(({ event_type, details: { rev, attempt } }) =>
    [event_type, rev, ...(attempt === undefined ? [] : [`#${attempt}`])].join(' '),
  );
}
/** Claims the job once it is claimable again. */
async function claimAgain(tenant: Tenant, id: string): Promise<void> {
  await eventually(async () => {
    const status = await tenant.statusOf(id);
    if (status !== 'processing') await tenant.makeDue(id);
    expect((await tenant.claim())[0]?.id).toBe(id);
  });
}

describe('GET /jobs/{id}/history', () => {
  const ways: readonly (readonly [
    name: string,
    make: (tenant: Tenant) => Promise<string>,
    expected: readonly string[],
  ])[] = [
    ['waits', (tenant) => tenant.enqueue(), ['created 1']],
    ['runs', async (tenant) => (await tenant.leased()).id, ['created 1', 'processing 2 #1']],
    [
      'completed at once',
      async (tenant) => {
        const { id } = await tenant.leased();
        await tenant.complete(id);
        return id;
      },
      ['created 1', 'processing 2 #1', 'completed 3 #1'],
    ],
    [
      'failed, and completed then',
      async (tenant) => {
        const { id } = await tenant.leased();
        await tenant.fail(id);
        await claimAgain(tenant, id);
        await tenant.complete(id);
        return id;
      },
      ['created 1', 'processing 2 #1', 'retry_scheduled 3 #1', 'processing 4 #2', 'completed 5 #2'],
    ],
    [
      'lost its worker',
      async (tenant) => {
        const { id } = await tenant.leased();
        await world.context
          .get(LeaseReaper)
          .releaseWorker(tenant.organizationId, 'w-1', 'stale', null);
        return id;
      },
      ['created 1', 'processing 2 #1', 'retry_scheduled 3 #1'],
    ],
    [
      'was given back by its worker',
      async (tenant) => {
        const { id } = await tenant.leased();
        const { organizationId } = tenant;
        await world.context
          .get(LeaseReaper)
          .releaseWorker(organizationId, 'w-1', 'requested', null);
        return id;
      },
      ['created 1', 'processing 2 #1', 'released 3 #1'],
    ],
    [
      'was given up, retried by hand, and given up again',
      async (tenant) => {
        const id = await tenant.deadLetter();
        await tenant.call('POST', `/jobs/${id}/retry`);
        await tenant.claim();
        await tenant.fail(id);
        return id;
      },
      [
        'created 1',
        'processing 2 #1',
        'deadlettered 3 #1',
        'retried 4',
        'processing 5 #1',
        'deadlettered 6 #1',
      ],
    ],
    [
      'was cancelled after a try',
      async (tenant) => {
        const { id } = await tenant.leased();
        await tenant.fail(id);
        await tenant.cancel(id);
        return id;
      },
      ['created 1', 'processing 2 #1', 'retry_scheduled 3 #1', 'cancelled 4'],
    ],
  ];

  it.each(ways)('tells of a job that %s', async (_, make, expected) => {
    const tenant = world.key();
    const id = await make(tenant);
    expect(await story(tenant, id)).toEqual(expected);
    expect(await story(tenant, id, '?order_dir=desc')).toEqual(expected.toReversed());
    for (const each of await history(tenant, id)) expect(historyEvent.parse(each)).toEqual(each);
    // Every transition that the event log knows is a line; there are no other lines.
    const logged = (await tenant.story(id)).map((line) => Number(line.split(' ').at(-1)));
    const told = (await history(tenant, id)).map(({ details }) => details.rev);
    expect(told).toEqual([...new Set(logged)]);
  });

  it('says who did it, how long it took, and what went wrong', async () => {
    const tenant = world.key();
    const { id } = await tenant.leased();
    await tenant.fail(id, { error: 'no route' });
    const [created, began, failed] = await history(tenant, id);
    expect(created).toEqual({
      id: `${id}:1`,
      job_id: id,
      event_type: 'created',
      worker_id: null,
      details: { rev: 1 },
      created_at: (await tenant.job(id)).created_at,
    });
    expect(began).toMatchObject({ event_type: 'processing', worker_id: 'w-1' });
    expect(failed).toMatchObject({
      worker_id: 'w-1',
      details: {
        attempt: 1,
        error: 'no route',
        duration_ms: Date.parse(failed!.created_at) - Date.parse(began!.created_at),
        retry_at: (await tenant.job(id)).scheduled_at,
      },
    });
  });

  it('comes in pages, and says whether there is more', async () => {
    const tenant = world.key();
    const id = await tenant.deadLetter();
    await tenant.call('POST', `/jobs/${id}/retry`);
    const all = await story(tenant, id);
    for (const [order, expected] of [
      ['asc', all],
      ['desc', all.toReversed()],
    ] as const) {
      for (let offset = 0; offset <= all.length; offset += 1) {
        const query = `?order_dir=${order}&limit=2&offset=${offset}`;
        expect(await story(tenant, id, query)).toEqual(expected.slice(offset, offset + 2));
        const { headers } = await tenant.call('GET', `/jobs/${id}/history${query}`);
        expect(headers.get('x-has-more')).toBe(String(offset + 2 < all.length));
      }
    }
  });

  it('tells of the jobs of a workflow that was retried', async () => {
    const tenant = world.key();
    const job = { key: 'a', queue_name: 'emails', payload: {}, max_retries: 0 };
    const jobs = [job, { ...job, key: 'b', depends_on: ['a'] }];
    const { body } = await tenant.call<{ workflow_id: string; job_ids: { job_id: string }[] }>(
      'POST',
      '/workflows',
      { name: 'w', jobs },
    );
    const [first, second] = body.job_ids.map(({ job_id }) => job_id);
    await tenant.claim();
    await tenant.fail(first!);
    const retried = await tenant.call('POST', `/workflows/${body.workflow_id}/retry`);
    expect(retried.status).toBe(200);
    expect(await story(tenant, first!)).toEqual([
      'created 1',
      'processing 2 #1',
      'deadlettered 3 #1',
      'retried 4',
    ]);
    expect(await story(tenant, second!)).toEqual(['created 1', 'cancelled 2', 'retried 3']);
  });

  it('is of nobody else', async () => {
    const tenant = world.key();
    const id = await tenant.enqueue();
    const scoped = world.key({ organizationId: tenant.organizationId, queues: ['reports'] });
    for (const [stranger, asked] of [
      [world.key(), id],
      [scoped, id],
      [tenant, randomUUID()],
      [tenant, 'x'],
    ] as const) {
      const answer = await stranger.call('GET', `/jobs/${asked}/history`);
      expect(answer).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    }
  });

  it('forgets past attempts after the days of the plan, and the job keeps its last one', async () => {
    const [short, long] = [world.key(), world.key()];
    world.plans.set(short.organizationId, { ...plans.enterprise, history_retention_days: 1 });
    const ids: string[] = [];
    for (const tenant of [short, long]) {
      const id = await tenant.deadLetter();
      await tenant.call('POST', `/jobs/${id}/retry`);
      await tenant.claim();
      ids.push(id);
      await world.owner.query(
        `update jobs.job_attempt set ended_at = now() - interval '25 hours' where id = $1`,
        [id],
      );
      await eventually(async () => {
        const { rowCount } = await world.owner.query(
          'select from jobs.queue_counter where organization_id = $1',
          [tenant.organizationId],
        );
        expect(rowCount).toBe(1);
      });
    }
    await world.context.get(RetentionPruner).prune(new AbortController().signal);
    expect(await story(short, ids[0]!)).toEqual(['created 1', 'processing 5 #1']);
    expect(await story(long, ids[1]!)).toHaveLength(5);
  });
});
