import { AppError, quotaRefusal, plans, type ScheduleRun } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { DueFirer } from '../src/maintenance/due-firer.js';
import { World, yearly } from './setup.js';

describe('a schedule that is due', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.setup();
  });
  afterAll(() => world.stop());
  afterEach(() => {
    world.jobApi.refuse = () => null;
    world.jobApi.onAsked = () => undefined;
  });

  it('has its job enqueued as it says, and moves on', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.make(credential, {
      queue_name: 'reports',
      payload_template: { n: 1 },
      priority: 7,
      max_retries: 0,
      timeout_seconds: 60,
      tags: { team: 'a' },
    });
    const before = await world.read(credential, id);
    const tick = await world.makeDue([id]);
    await eventually(() => expect(world.jobApi.jobsOf(id)).toHaveLength(1));
    const [job] = world.jobApi.jobsOf(id);
    expect(job).toMatchObject({
      organizationId,
      queueName: 'reports',
      payload: { n: 1 },
      priority: 7,
      maxRetries: 0,
      timeoutSeconds: 60,
      tags: { team: 'a' },
      scheduleId: id,
    });
    const after = await eventually(async () => {
      const schedule = await world.read(credential, id);
      expect(schedule.run_count).toBe(1);
      return schedule;
    });
    expect(after).toEqual({ ...before, run_count: 1, last_run_at: after.last_run_at });
    expect(Date.parse(after.last_run_at!)).toBeGreaterThanOrEqual(tick.getTime());
    await eventually(async () =>
      expect(await world.runs([id])).toEqual([
        expect.objectContaining({
          tick,
          id: job!.id,
          status: 'completed',
          error_message: null,
        }),
      ]),
    );
  });

  it('is told of once job-api has its job, triggered or due, and not when it is refused', async () => {
    const { organizationId, credential } = world.key();
    const id = await world.make(credential, { queue_name: 'reports' });
    const told = async () => {
      const { rows } = await world.owner.query<{ events: unknown[] }>(
        'select events from events.log where organization_id = $1 order by last_seq',
        [organizationId],
      );
      return rows.flatMap(({ events }) => events);
    };
    const event = (jobId: unknown) => ({
      type: 'ScheduleTriggered',
      data: {
        schedule_id: id,
        job_id: jobId,
        queue_name: 'reports',
        timestamp: expect.any(String),
      },
    });
    await world.makeDue([id]);
    const due = await eventually(async () => {
      const [run] = await world.runs([id]);
      expect(await told()).toEqual([event(run!.id)]);
      return run!.id;
    });
    const { body } = await world.call(credential, 'POST', `/schedules/${id}/trigger`);
    expect(await told()).toEqual([event(due), event(body['job_id'])]);
    world.jobApi.refuse = () => new AppError('QUOTA_EXCEEDED');
    await world.call(credential, 'POST', `/schedules/${id}/trigger`);
    expect(await told()).toHaveLength(2);
  });

  it('leaves retries and timeout to the queue when it does not say', async () => {
    const { credential } = world.key();
    const id = await world.make(credential);
    await world.makeDue([id]);
    await eventually(() =>
      expect(world.jobApi.jobsOf(id)).toMatchObject([
        { maxRetries: null, timeoutSeconds: null, tags: null, priority: 0 },
      ]),
    );
  });

  it('fires by its expression, tick after tick', async () => {
    const { credential } = world.key();
    const id = await world.make(credential, { cron_expression: '* * * * * *' });
    await eventually(() => expect(world.jobApi.jobsOf(id).length).toBeGreaterThanOrEqual(3));
    await world.call(credential, 'POST', `/schedules/${id}/pause`);
    const ticks = (await world.runs([id])).map(({ tick }) => tick!.getTime());
    expect(new Set(ticks).size).toBe(ticks.length);
    for (const tick of ticks) expect(tick % 1000).toBe(0);
  });

  it('is fired as soon as it is due, when it is made, changed or resumed here', async () => {
    const { credential } = world.key();
    const everySecond = { cron_expression: '* * * * * *' };
    const made = await world.make(credential, everySecond);
    const changed = await world.make(credential);
    await world.call(credential, 'PUT', `/schedules/${changed}`, everySecond);
    const resumed = await world.make(credential);
    await world.call(credential, 'POST', `/schedules/${resumed}/pause`);
    await world.call(credential, 'PUT', `/schedules/${resumed}`, everySecond);
    await world.call(credential, 'POST', `/schedules/${resumed}/resume`);
    for (const id of [made, changed, resumed]) {
      await eventually(() => expect(world.jobApi.jobsOf(id)).not.toEqual([]));
    }
    await Promise.all(
      [made, changed, resumed].map((id) => world.call(credential, 'DELETE', `/schedules/${id}`)),
    );
  });

  it('fires once for all the ticks it missed', async () => {
    const { credential } = world.key();
    const id = await world.make(credential, { cron_expression: yearly });
    await world.owner.query(
      `update schedules.schedule set next_run_at = date_trunc('year', now()) - interval '9 years' where id = $1`,
      [id],
    );
    await eventually(() => expect(world.jobApi.jobsOf(id)).toHaveLength(1));
    const { next_run_at, run_count } = await world.read(credential, id);
    expect(run_count).toBe(1);
    expect(Date.parse(next_run_at)).toBeGreaterThan(Date.now());
    expect(Date.parse(next_run_at)).toBeLessThan(Date.now() + 366 * 86_400_000);
  });

  it('makes no second job of a tick that comes again, when the clock of the database was set back', async () => {
    const { organizationId } = world.key();
    const [again, other] = await world.makeMany(organizationId, 2);
    const tick = await world.makeDue([again!], 100);
    await eventually(async () =>
      expect(await world.runs([again!])).toMatchObject([{ status: 'completed' }]),
    );
    await world.owner.query('update schedules.schedule set next_run_at = $1 where id = any ($2)', [
      tick,
      [again, other],
    ]);
    await eventually(() => expect(world.jobApi.jobsOf(other!)).toHaveLength(1));
    await eventually(async () => {
      const { rows } = await world.owner.query(
        'select from schedules.schedule where id = any ($1) and next_run_at <= now()',
        [[again, other]],
      );
      expect(rows).toEqual([]);
    });
    expect(world.jobApi.jobsOf(again!)).toHaveLength(1);
    expect(await world.runs([again!])).toHaveLength(1);
  });

  it('does not fire while it is paused', async () => {
    const { credential } = world.key();
    const [paused, active] = [await world.make(credential), await world.make(credential)];
    await world.call(credential, 'POST', `/schedules/${paused}/pause`);
    await world.makeDue([paused, active], 60);
    await eventually(() => expect(world.jobApi.jobsOf(active)).toHaveLength(1));
    await world.context.get(DueFirer).step();
    expect(await world.runs([paused])).toEqual([]);
  });

  it.each([
    ['a quota is used up', quotaRefusal(plans.free, 'active_jobs', 10)!],
    ['the payload is too large now', new AppError('PAYLOAD_TOO_LARGE', 'Payload is 9 bytes.')],
    ['the feature is off', new AppError('FEATURE_DISABLED', 'Not in this plan.')],
    ['job-api refuses for good', new AppError('NOT_FOUND', 'There is no such organization.')],
  ])('records a failed run when %s, and moves on', async (_name, refusal) => {
    const { credential } = world.key();
    const [refused, other] = [await world.make(credential), await world.make(credential)];
    world.jobApi.refuse = ({ scheduleId }) => (scheduleId === refused ? refusal : null);
    await world.makeDue([refused, other]);
    await eventually(async () =>
      expect(await world.runs([refused, other])).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            schedule_id: refused,
            status: 'failed',
            error_message: refusal.message,
          }),
          expect.objectContaining({ schedule_id: other, status: 'completed' }),
        ]),
      ),
    );
    expect(Date.parse((await world.read(credential, refused)).next_run_at)).toBeGreaterThan(
      Date.now(),
    );
    expect(
      world.jobApi.asked.filter((id) => world.jobApi.jobs.get(id)?.scheduleId === refused),
    ).toEqual([]);
    const { body } = await world.call<ScheduleRun[]>(
      credential,
      'GET',
      `/schedules/${refused}/history`,
    );
    expect(body).toMatchObject([
      { status: 'failed', error_message: refusal.message, job_id: null, job_status: null },
    ]);
  });

  it('does not suffer from a neighbour that spoils the whole question', async () => {
    const { credential } = world.key();
    const [bad, good] = [await world.make(credential), await world.make(credential)];
    world.jobApi.onAsked = (jobs) => {
      if (jobs.some(({ scheduleId }) => scheduleId === bad))
        throw new AppError('BAD_REQUEST', 'no');
    };
    await world.makeDue([bad, good]);
    await eventually(async () =>
      expect(
        (await world.runs([bad, good])).map(({ schedule_id, status }) => [schedule_id, status]),
      ).toEqual(
        expect.arrayContaining([
          [bad, 'failed'],
          [good, 'completed'],
        ]),
      ),
    );
  });

  it('is put off for an hour when its zone is not known here, and holds nobody up', async () => {
    const { organizationId, credential } = world.key();
    const [odd] = await world.makeMany(organizationId, 1);
    const good = await world.make(credential);
    await world.owner.query(
      `update schedules.schedule set timezone = 'Mars/Olympus' where id = $1`,
      [odd],
    );
    await world.makeDue([odd!, good]);
    await eventually(() => expect(world.jobApi.jobsOf(good)).toHaveLength(1));
    const { next_run_at, run_count } = await world.read(credential, odd!);
    expect(run_count).toBe(0);
    expect((Date.parse(next_run_at) - Date.now()) / 60_000).toBeCloseTo(60, -1);
  });

  it('keeps numbers that a double cannot hold as they are on the bus', async () => {
    const { organizationId } = world.key();
    const [id] = await world.makeMany(organizationId, 1, { payload: '[12345678901234567890.5]' });
    let message = '';
    const end = world.others.subscribe('spooled.v1.rpc.jobs.enqueue', (asked) => {
      message = asked.string();
    });
    await world.others.connection.flush();
    await world.makeDue([id!]);
    await eventually(() => expect(message).toContain('[12345678901234567890.5]'));
    end();
    await eventually(async () =>
      expect(await world.runs([id!])).toMatchObject([{ status: 'completed' }]),
    );
  });

  it('fails when its payload is larger than the bus carries, instead of being sent for ever', async () => {
    const { organizationId, credential } = world.key();
    const maxBytes = world.others.connection.info!.max_payload;
    const payload = JSON.stringify('x'.repeat(maxBytes));
    const [huge, other] = await world.makeMany(organizationId, 2);
    await world.owner.query(
      'update schedules.schedule set payload_template = $2, body_bytes = $3 where id = $1',
      [huge, payload, payload.length],
    );
    await world.makeDue([huge!, other!]);
    const message = expect.stringContaining('more than the bus carries');
    await eventually(async () =>
      expect(await world.runs([huge!])).toMatchObject([
        { status: 'failed', error_message: message },
      ]),
    );
    await eventually(() => expect(world.jobApi.jobsOf(other!)).toHaveLength(1));
    const answer = await world.call(credential, 'POST', `/schedules/${huge}/trigger`);
    expect([answer.status, answer.body]).toMatchObject([
      413,
      { code: 'PAYLOAD_TOO_LARGE', message },
    ]);
  });
});

describe('the first schedules that are due', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.setup();
  });
  afterAll(() => world.stop());

  it('are counted by what came of them, and how late they were', async () => {
    const { organizationId } = world.key();
    const metric = (outcome: string) =>
      world.metric(`spooled_schedule_fires_total{outcome="${outcome}"}`);
    const ids = await world.makeMany(organizationId, 5);
    world.jobApi.refuse = ({ scheduleId }) =>
      scheduleId === ids[0] ? new AppError('QUOTA_EXCEEDED', 'full') : null;
    await world.makeDue(ids);
    await eventually(async () =>
      expect([
        await metric('completed'),
        await metric('failed'),
        await world.metric('spooled_schedule_fire_lag_seconds_count'),
      ]).toEqual([4, 1, 5]),
    );
  });
});

describe('many schedules that are due at once', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.setup();
  });
  afterAll(() => world.stop());

  it('are sent together, at most 500 in a message', async () => {
    const { organizationId } = world.key();
    const ids = await world.makeMany(organizationId, 1200);
    await world.makeDue(ids);
    await eventually(() => expect(world.jobApi.jobs.size).toBe(1200));
    expect(Math.max(...world.jobApi.questions)).toBe(500);
    expect(world.jobApi.questions.length).toBeLessThan(10);
    await eventually(async () => {
      const runs = await world.runs(ids);
      expect(runs.filter(({ status }) => status === 'completed')).toHaveLength(1200);
    });
  });

  it('are sent in messages that the bus can carry, however large their payloads', async () => {
    const { organizationId } = world.key();
    world.jobApi.questions.length = 0;
    const sizes = [200_000, 200_000, 200_000, 900_000, 10, 10];
    const ids: string[] = [];
    for (const size of sizes) {
      ids.push(
        ...(await world.makeMany(organizationId, 1, { payload: JSON.stringify('x'.repeat(size)) })),
      );
    }
    await world.makeDue(ids);
    await eventually(async () => {
      const runs = await world.runs(ids);
      expect(runs.map(({ status }) => status)).toEqual(sizes.map(() => 'completed'));
    });
    expect(world.jobApi.questions.length).toBeGreaterThanOrEqual(3);
    for (const [index, id] of ids.entries()) {
      expect(world.jobApi.jobsOf(id)).toMatchObject([{ payload: 'x'.repeat(sizes[index]!) }]);
    }
  });
});

describe('several schedulers', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.setup({ instances: 3 });
  });
  afterAll(() => world.stop());

  it('fire each tick of each schedule once, also when all of them try at the same moment', async () => {
    const { organizationId } = world.key();
    const ids = await world.makeMany(organizationId, 1000);
    await world.makeDue(ids);
    await Promise.all(
      world.contexts.flatMap((context) =>
        Array.from({ length: 4 }, () => context.get(DueFirer).step()),
      ),
    );
    await eventually(() => expect(world.jobApi.jobs.size).toBe(1000));
    const runs = await world.runs(ids);
    expect(runs).toHaveLength(1000);
    expect(new Set(world.jobApi.asked).size).toBe(world.jobApi.asked.length);
  });

  it('fire 200 schedules at each of several ticks, and lose none when one of them stops', async () => {
    const { organizationId } = world.key();
    const ids = await world.makeMany(organizationId, 200, { cron: '*/3 * * * * *' });
    await world.makeDue(ids);
    const ticksOf = async () => {
      const ticks = new Map<string, number[]>();
      for (const { schedule_id, tick } of await world.runs(ids)) {
        ticks.set(schedule_id, [...(ticks.get(schedule_id) ?? []), tick!.getTime()]);
      }
      return ticks;
    };
    const haveAll = async (count: number) => {
      const ticks = await ticksOf();
      expect(ticks.size).toBe(200);
      for (const each of ticks.values()) expect(each.length).toBeGreaterThanOrEqual(count);
    };
    await eventually(() => haveAll(2), { timeoutMs: 120_000 });
    await world.close(world.contexts[2]!);
    await eventually(() => haveAll(4), { timeoutMs: 120_000 });
    await world.owner.query('update schedules.schedule set is_active = false');
    // All schedules fired at the same ticks, and every tick has its job.
    const ticks = await ticksOf();
    const [first] = ticks.values();
    for (const each of ticks.values()) expect(each).toEqual(first);
    await eventually(() => {
      for (const id of ids) expect(world.jobApi.jobsOf(id)).toHaveLength(first!.length);
    });
    expect(new Set(world.jobApi.asked).size).toBe(world.jobApi.asked.length);
  });

  it('notice within a second what another one made', async () => {
    const { credential } = world.key();
    const id = await world.make(credential, { cron_expression: '* * * * * *' });
    // Whoever was told of it is gone; the one that is left looks for itself.
    await world.close(world.contexts[0]!);
    const count = world.jobApi.jobsOf(id).length;
    await eventually(() => expect(world.jobApi.jobsOf(id).length).toBeGreaterThan(count + 1));
  });
});
