import { auditMigrations } from '@spooled/audit';
import { EventLogReader, eventLogMigrations } from '@spooled/event-log';
import { Database, runMigrations } from '@spooled/postgres';
import { testDatabase } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { EndpointRepository } from '../../endpoints/store/endpoint.repository.js';
import { migrations } from '../../migrations/index.js';
import { deliveryId, firstDeliveryIdAt } from '../delivery-id.js';
import { DeliveryRepository, type ClaimedDelivery } from './delivery.repository.js';

const ROLE = 'spooled_webhooks';
const START = {
  organization_id: '00000000-0000-0000-0000-000000000000',
  lane: '00000000-0000-0000-0000-000000000000',
};

let database: Database;
let deliveries: DeliveryRepository;
let endpoints: EndpointRepository;
let client: pg.Client;

beforeAll(async () => {
  const { url } = await testDatabase({ isEmpty: true });
  await runMigrations(url, [...eventLogMigrations, ...auditMigrations, ...migrations]);
  database = new Database({ url, role: ROLE, maxConnections: 4, applicationName: 'test' });
  deliveries = new DeliveryRepository(database);
  endpoints = new EndpointRepository(database);
  client = new pg.Client({ connectionString: url, options: `-c role=${ROLE}` });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.close();
});

/** An endpoint that is followed, with deliveries of so many events. */
async function make(organizationId: string, count = 1, at = new Date()): Promise<string> {
  const endpointId = randomUUID();
  await database.transaction([organizationId], async (tx) => {
    await endpoints.insert(tx, organizationId, endpointId, {
      name: 'hook',
      url: 'https://example.com/',
      events: ['job.created'],
      enabled: true,
      secret: null,
      previous_secret: null,
      previous_secret_until: null,
      since_seq: 0,
      failure_count: 0,
    });
    await endpoints.follow(tx, organizationId, 0);
    const rows = Array.from({ length: count }, (_, seq) => {
      const id = deliveryId(endpointId, seq, at);
      return { id, lane: endpointId, endpointId, event: 'job.created', body: `{"id":"${id}"}` };
    });
    await deliveries.insert(tx, organizationId, rows);
    // The same events read again are the same deliveries.
    await deliveries.insert(tx, organizationId, rows);
  });
  return endpointId;
}

const claim = (organizationId: string, lane: string, room: number) =>
  database.maintenance((tx) =>
    deliveries.claim(tx, [{ lane: { organization_id: organizationId, lane }, room }], 60),
  );

const settle = (delivery: ClaimedDelivery, status: 'pending' | 'success' | 'failed') =>
  database.maintenance((tx) =>
    deliveries.settle(
      tx,
      [
        {
          delivery,
          status,
          attempts: delivery.attempts + 1,
          statusCode: 200,
          responseBody: null,
          error: null,
          delaySecs: 0,
        },
      ],
      20,
    ),
  );

describe('row-level security', () => {
  const tables = ['endpoint', 'follower', 'delivery'];

  it.each(tables)('shows the rows of webhooks.%s to their organization alone', async (table) => {
    const [mine, foreign] = [randomUUID(), randomUUID()];
    await make(mine);
    await make(foreign);
    await expect(client.query(`select from webhooks.${table}`)).rejects.toThrow(
      /app\.orgs|array literal/,
    );
    await client.query('begin');
    await client.query(`select set_config('app.orgs', '{${mine}}', true)`);
    const { rows } = await client.query<{ organization_id: string }>(
      `select distinct organization_id from webhooks.${table}`,
    );
    await client.query('rollback');
    expect(rows).toEqual([{ organization_id: mine }]);
  });

  it('lets nobody write for another', async () => {
    const [mine, foreign] = [randomUUID(), randomUUID()];
    await expect(
      database.transaction([mine], (tx) => endpoints.follow(tx, foreign, 0)),
    ).rejects.toMatchObject({ code: 'DATABASE_ERROR' });
  });

  it('shows of the event log what the transaction is for', async () => {
    const [mine, foreign] = [randomUUID(), randomUUID()];
    const reader = new EventLogReader();
    await client.query('begin');
    await client.query(`set local role spooled_event_writer`);
    await client.query(`select set_config('app.orgs', '{${mine},${foreign}}', true)`);
    await client.query(
      `insert into events.position (organization_id, last_seq) values ($1, 3), ($2, 5)`,
      [mine, foreign],
    );
    await client.query('commit');
    const seen = await database.transaction([mine], async (tx) => [
      await reader.newest(tx, mine),
      await reader.newest(tx, foreign),
    ]);
    expect(seen).toEqual([3, 0]);
  });
});

describe('a claim', () => {
  it('takes each delivery once, whoever asks, and no more than there is room for', async () => {
    const organizationId = randomUUID();
    const lane = await make(organizationId, 20);
    const claims = await Promise.all([7, 7, 7].map((room) => claim(organizationId, lane, room)));
    expect(claims.every((claimed) => claimed.length <= 7)).toBe(true);
    const rest = await claim(organizationId, lane, 100);
    const ids = [...claims.flat(), ...rest].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(20);
    expect(rest[0] ?? claims[0]![0]).toMatchObject({
      endpoint_id: lane,
      url: 'https://example.com/',
      enabled: true,
      attempts: 0,
      body: expect.stringContaining('"id"'),
    });
  });

  it('that was lost says nothing any more', async () => {
    const organizationId = randomUUID();
    const lane = await make(organizationId);
    const [lost] = await claim(organizationId, lane, 1);
    expect(await claim(organizationId, lane, 1)).toEqual([]);
    await client.query('begin');
    await client.query(`select set_config('app.orgs', '{${organizationId}}', true)`);
    await client.query('update webhooks.delivery set due_at = now()');
    await client.query('commit');
    const [taken] = await claim(organizationId, lane, 1);
    await settle(lost!, 'failed');
    await settle(taken!, 'success');
    const [row] = await deliveries.history(organizationId, lane, 1);
    expect(row).toMatchObject({ status: 'success', attempts: 1 });
    expect(await endpoints.find(organizationId, lane)).toMatchObject({ failure_count: 0 });
  });

  it('finds every lane that is due, however many wait in one', async () => {
    const organizationId = randomUUID();
    const lanes = [
      await make(organizationId, 500),
      await make(organizationId),
      await make(organizationId),
    ];
    const due = await database.maintenance((tx) => deliveries.dueLanes(tx, START, 1000));
    const ours = due.filter(({ organization_id }) => organization_id === organizationId);
    expect(ours.map(({ lane }) => lane)).toEqual([...lanes].sort());
    const page = await database.maintenance((tx) => deliveries.dueLanes(tx, ours[0]!, 1));
    expect(page).toEqual([ours[1]]);
    for (const lane of lanes) await claim(organizationId, lane, 500);
    const after = await database.maintenance((tx) => deliveries.dueLanes(tx, START, 1000));
    expect(after.filter(({ organization_id }) => organization_id === organizationId)).toEqual([]);
  });
});

describe('retention', () => {
  it('forgets what is older, in batches, and nothing else', async () => {
    const organizationId = randomUUID();
    const day = 24 * 3_600_000;
    const old = await make(organizationId, 3, new Date(Date.now() - 15 * day));
    const young = await make(organizationId, 2, new Date(Date.now() - 13 * day));
    const beforeId = firstDeliveryIdAt(Date.now() - 14 * day);
    expect(await deliveries.organizations(START.organization_id, 1000)).toContain(organizationId);
    expect(await deliveries.prune(organizationId, beforeId, 2)).toBe(2);
    expect(await deliveries.prune(organizationId, beforeId, 2)).toBe(1);
    expect(await deliveries.history(organizationId, old, 10)).toEqual([]);
    expect(await deliveries.history(organizationId, young, 10)).toHaveLength(2);
  });
});
