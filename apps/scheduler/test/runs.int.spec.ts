import {
  AppError,
  effectiveLimits,
  jobsRpc,
  quotaRefusal,
  schedulesApi,
  type Schedule,
  type ScheduleRun,
} from '@spooled/contracts';
import { RunPruner } from '../src/maintenance/run-pruner.js';
import { World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());
afterEach(() => {
  world.jobApi.refuse = () => null;
});

const trigger = (credential: string, id: string) =>
  world.call<{ job_id: string; triggered_at: string; scheduled_at: string }>(
    credential,
    'POST',
    `/schedules/${id}/trigger`,
  );
const history = async (credential: string, id: string, query = '') =>
  (await world.call<ScheduleRun[]>(credential, 'GET', `/schedules/${id}/history${query}`)).body;

describe('POST /schedules/{id}/trigger', () => {
  it('enqueues a job now, records a run, and leaves the next fire where it is', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.make(credential, { payload_template: { n: 1 }, priority: 3 });
    const before = await world.read(credential, id);
    const { status, body } = await trigger(credential, id);
    expect(status).toBe(200);
    expect(body).toEqual({
      job_id: expect.any(String),
      triggered_at: expect.any(String),
      scheduled_at: body.triggered_at,
    });
    expect(world.jobApi.jobs.get(body.job_id)).toMatchObject({
      organizationId,
      queueName: 'emails',
      payload: { n: 1 },
      priority: 3,
      scheduleId: id,
    });
    expect(await world.read(credential, id)).toEqual({
      ...before,
      run_count: 1,
      last_run_at: body.triggered_at,
    });
    expect(await history(credential, id)).toEqual([
      {
        id: body.job_id,
        schedule_id: id,
        job_id: body.job_id,
        status: 'completed',
        error_message: null,
        started_at: body.triggered_at,
        completed_at: expect.any(String),
        job_status: 'pending',
      },
    ]);
  });

  it('works on a paused schedule, which stays paused', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    const paused = await world.call<Schedule>(credential, 'POST', `/schedules/${id}/pause`);
    expect((await trigger(credential, id)).status).toBe(200);
    expect(await world.read(credential, id)).toMatchObject({
      is_active: false,
      next_run_at: paused.body.next_run_at,
    });
  });

  it('makes a job each time, also at the same time', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    const answers = await Promise.all(Array.from({ length: 10 }, () => trigger(credential, id)));
    expect(new Set(answers.map(({ body }) => body.job_id)).size).toBe(10);
    expect(world.jobApi.jobsOf(id)).toHaveLength(10);
    expect((await world.read(credential, id)).run_count).toBe(10);
  });

  it.each([
    [429, 'QUOTA_EXCEEDED', quotaRefusal(effectiveLimits('free', null), 'active_jobs', 10)!],
    [403, 'FEATURE_DISABLED', quotaRefusal(effectiveLimits('free', null), 'workflows', 0)!],
    [
      413,
      'PAYLOAD_TOO_LARGE',
      new AppError('PAYLOAD_TOO_LARGE', 'Payload is 9 bytes; the plan allows 8.', {
        extra: { error: 'payload_too_large', current: 9, limit: 8, plan: 'free', upgrade_to: true },
      }),
    ],
  ])(
    'passes on job-api’s %i %s with its body, and records a failed run',
    async (status, code, refusal) => {
      const { credential } = world.key();
      const id = await world.make(credential);
      world.jobApi.refuse = () => refusal;
      const answer = await trigger(credential, id);
      expect([answer.status, answer.body]).toEqual([
        status,
        { code, message: refusal.message, ...refusal.extra },
      ]);
      expect(await history(credential, id)).toMatchObject([
        { status: 'failed', error_message: refusal.message, job_id: null, job_status: null },
      ]);
    },
  );

  it('answers 503 while job-api is away, and does not make up for it later', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    await world.jobApi.stop();
    const answer = await trigger(credential, id);
    expect([answer.status, answer.body]).toMatchObject([503, { code: 'SERVICE_UNAVAILABLE' }]);
    await world.jobApi.start();
    expect(await history(credential, id)).toMatchObject([{ status: 'failed', job_id: null }]);
    expect((await trigger(credential, id)).status).toBe(200);
    expect(world.jobApi.jobsOf(id)).toHaveLength(1);
  });
});

describe('GET /schedules/{id}/history', () => {
  it('lists runs in pages, newest first, each with the job as it is now', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    const other = await world.make(credential);
    const jobs: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      jobs.unshift((await trigger(credential, id)).body.job_id);
      await trigger(credential, other);
    }
    const page = async (query: string) =>
      (await history(credential, id, query)).map(({ job_id }) => job_id);
    expect(await page('')).toEqual(jobs);
    expect(await page('?limit=2')).toEqual(jobs.slice(0, 2));
    expect(await page('?limit=2&offset=2')).toEqual(jobs.slice(2, 4));
    expect(await page('?limit=0')).toEqual(jobs.slice(0, 1));
    expect(await page('?limit=501')).toEqual(jobs);
    const refused = await world.call(credential, 'GET', `/schedules/${id}/history?limit=x`);
    expect(refused.status).toBe(400);

    world.jobApi.statuses.set(jobs[0]!, 'processing');
    world.jobApi.statuses.set(jobs[1]!, 'deadletter');
    // Retention took the job.
    world.jobApi.jobs.delete(jobs[2]!);
    const runs = await history(credential, id);
    expect(runs.map(({ job_status }) => job_status)).toEqual([
      'processing',
      'deadletter',
      null,
      'pending',
      'pending',
    ]);
    expect(runs[2]).toMatchObject({ job_id: jobs[2], status: 'completed' });
    expect(schedulesApi.history.responses[200].parse(runs)).toEqual(runs);
  });

  it('lists 50 unless asked for more, and never more than 500', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.make(credential);
    await world.makeRuns(organizationId, id, Array<number>(510).fill(0));
    expect(await history(credential, id)).toHaveLength(50);
    expect(await history(credential, id, '?limit=9999')).toHaveLength(500);
    expect(jobsRpc.statuses.request.shape.jobIds.safeParse(Array(500).fill(id)).success).toBe(true);
  });

  it('goes without the jobs while job-api is away', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    const { body } = await trigger(credential, id);
    await world.jobApi.stop();
    try {
      expect(await history(credential, id)).toMatchObject([
        { job_id: body.job_id, status: 'completed', job_status: null },
      ]);
    } finally {
      await world.jobApi.start();
    }
  });

  it('is empty before the first run', async () => {
    const { credential } = world.key();
    expect(await history(credential, await world.make(credential))).toEqual([]);
  });
});

describe('runs older than the plan keeps history', () => {
  it('are forgotten, those of deleted schedules and of gone organizations too', async () => {
    const week = world.key({ plan: { history_retention_days: 7 } });
    const day = world.key({ plan: { history_retention_days: 1 } });
    const gone = world.key({ plan: { history_retention_days: 90 } });
    const keys = [week, day, gone];
    const ids = await Promise.all(keys.map(({ credential }) => world.make(credential)));
    const deleted = await world.make(week.credential);
    const agesOf = async (id: string) => {
      const { rows } = await world.owner.query<{ age: number }>(
        `select extract(day from now() - started_at)::int as age from schedules.run where schedule_id = $1 order by 1`,
        [id],
      );
      return rows.map(({ age }) => age);
    };
    for (const [index, id] of [...ids, deleted].entries()) {
      await world.makeRuns((keys[index] ?? week).organizationId, id, [0, 2, 8, 100]);
    }
    await world.call(week.credential, 'DELETE', `/schedules/${deleted}`);
    world.dissolve(gone.organizationId);
    await world.context.get(RunPruner).step(new AbortController().signal);
    expect(await agesOf(ids[0]!)).toEqual([0, 2]);
    expect(await agesOf(ids[1]!)).toEqual([0]);
    expect(await agesOf(ids[2]!)).toEqual([0]);
    expect(await agesOf(deleted)).toEqual([0, 2]);
  });

  it('are forgotten in bounded batches, however many there are', async () => {
    const { organizationId, credential } = world.key({ plan: { history_retention_days: 1 } });
    const id = await world.make(credential);
    await world.makeRuns(organizationId, id, Array<number>(2500).fill(2));
    await world.context.get(RunPruner).step(new AbortController().signal);
    expect(await world.runs([id])).toEqual([]);
  });
});
