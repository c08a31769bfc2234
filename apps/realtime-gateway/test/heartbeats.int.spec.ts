import { workerHeartbeat } from '@spooled/contracts';
import { eventually, type WsClient } from '@spooled/testing';
import { created, heartbeat } from './fixtures.js';
import { jobsOf, TestGateway, type Caller, type Wire } from './setup.js';

const INTERVAL_MS = 400;
/** The longest there is. */
const LONG_INTERVAL_MS = 5000;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ REALTIME_HEARTBEAT_INTERVAL_MS: String(INTERVAL_MS) });
});

afterAll(async () => {
  await gateway.stop();
});

function beat(caller: Caller, worker: string, job: string, status = 'healthy'): void {
  const { data } = heartbeat(worker, job);
  const { organizationId } = caller.principal;
  gateway.neighbours.bus.hint(workerHeartbeat, organizationId, {
    ...data,
    status: status,
  });
}

const beats = (client: WsClient): Wire[] =>
  (client.messages as Wire[]).filter(({ type }) => type === 'WorkerHeartbeat');
const jobs = (client: WsClient, worker: string): unknown[] =>
  beats(client).flatMap(({ data }) =>
    data['worker_id'] === worker ? [data['current_job_id']] : [],
  );

describe('heartbeats', () => {
  it('of a worker that sends many are told at most once per interval, the newest, and the last one always', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    const began = performance.now();
    let sent = 0;
    await eventually(
      () => {
        sent += 1;
        for (const worker of ['w1', 'w2']) beat(caller, worker, `j${sent}`);
        return ['w1', 'w2'].every((worker) => jobs(client, worker).length > 3);
      },
      { intervalMs: 5 },
    );
    await eventually(() => {
      expect(jobs(client, 'w1').at(-1)).toBe(`j${sent}`);
      expect(jobs(client, 'w2').at(-1)).toBe(`j${sent}`);
    });
    const most = 2 + (performance.now() - began) / INTERVAL_MS;
    for (const worker of ['w1', 'w2']) {
      const told = jobs(client, worker).map((job) => Number(String(job).slice(1)));
      expect(told.length).toBeLessThanOrEqual(most);
      expect(told).toEqual([...new Set(told)].sort((one, other) => one - other));
    }
  });

  it('tell a change of status by themselves', async () => {
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    beat(caller, 'w1', 'j1');
    await eventually(() => expect(jobs(client, 'w1')).toEqual(['j1']));
    beat(caller, 'w1', 'j1', 'degraded');
    await client.waitFor<Wire>(({ data }) => data['status'] === 'degraded');
  });

  it('that wait are not told any more when their worker has gone', async () => {
    const before = gateway.context;
    await gateway.boot({ REALTIME_HEARTBEAT_INTERVAL_MS: String(LONG_INTERVAL_MS) });
    const caller = gateway.caller();
    const client = await gateway.live(caller);
    beat(caller, 'w1', 'j1');
    await eventually(() => expect(jobs(client, 'w1')).toEqual(['j1']));
    beat(caller, 'w1', 'j2');
    await gateway.append(caller, {
      type: 'WorkerDeregistered',
      data: {
        worker_id: 'w1',
        queue_name: 'emails',
        reason: 'requested',
        timestamp: new Date().toISOString(),
      },
    });
    await eventually(() => expect(jobsOf(client)).toEqual(['w1']));
    beat(caller, 'w2', 'j3');
    await eventually(() => expect(jobs(client, 'w2')).toEqual(['j3']));
    expect(jobs(client, 'w1')).toEqual(['j1']);
    await gateway.context.close();
    gateway.context = before;
  });

  it('wait for nobody: who connects later gets what follows', async () => {
    const caller = gateway.caller();
    beat(caller, 'w1', 'j1');
    const client = await gateway.live(caller);
    await gateway.append(caller, created('j'));
    await eventually(() => expect(jobsOf(client)).toEqual(['j']));
    beat(caller, 'w1', 'j2');
    await eventually(() => expect(jobs(client, 'w1')).toEqual(['j2']));
  });
});
