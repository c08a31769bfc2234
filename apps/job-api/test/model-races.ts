import { jobsRpc, type ClaimedJob } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import type pg from 'pg';
import type { LoopBells } from './model-loops.js';
import type { Answer, Tenant } from './setup.js';

/** One job of a race, in a queue and with a worker of its own. */
export interface Subject {
  readonly id: string;
  readonly queue: string;
  readonly worker: string;
  readonly lease: string | undefined;
  /** A job that waits for this one. */
  readonly child: string | undefined;
}

type Arranged = Omit<Subject, 'queue' | 'worker'>;
type Arrange = (tenant: Tenant, queue: string, worker: string) => Promise<Arranged>;

const KEY = (queue: string) => `key of ${queue}`;

const pending =
  (over: object = {}): Arrange =>
  async (tenant, queue_name) => ({
    id: await tenant.enqueue({ queue_name, idempotency_key: KEY(queue_name), ...over }),
    lease: undefined,
    child: undefined,
  });

const processing =
  (over: object = {}): Arrange =>
  async (tenant, queue_name, worker_id) => {
    const made = await pending(over)(tenant, queue_name, worker_id);
    const [job] = await tenant.claim({ queue_name, worker_id, lease_duration_secs: 3600 });
    return { ...made, lease: job!.lease_id };
  };

/** As `arrange` makes it, then changed as time would. */
const later =
  (arrange: Arrange, table: string, change: string): Arrange =>
  async (tenant, queue, worker) => {
    const made = await arrange(tenant, queue, worker);
    await tenant.world.owner.query(`update jobs.${table} set ${change} where id = $1`, [made.id]);
    return made;
  };

const failed =
  (over: object): Arrange =>
  async (tenant, queue, worker) => {
    const made = await processing(over)(tenant, queue, worker);
    await tenant.fail(made.id, { worker_id: worker });
    return made;
  };

const parent =
  (arrange: Arrange): Arrange =>
  async (tenant, queue_name, worker) => {
    const made = await arrange(tenant, queue_name, worker);
    return { ...made, child: await tenant.enqueue({ queue_name, parent_job_id: made.id }) };
  };

const scheduled = pending({ scheduled_at: '2090-01-01T00:00:00Z' });

/** Where a race begins. */
export const starts = {
  pending: pending(),
  'pending, expired': later(pending(), 'job_ready', 'expires_at = now()'),
  scheduled: scheduled,
  'scheduled, due': later(scheduled, 'job_deferred', 'due_at = now(), scheduled_at = now()'),
  'backing off, due': later(failed({}), 'job_deferred', 'due_at = now()'),
  processing: processing(),
  'processing, last try': processing({ max_retries: 0 }),
  'processing, lease over': later(processing(), 'job_running', 'lease_expires_at = now()'),
  'processing, last try, lease over': later(
    processing({ max_retries: 0 }),
    'job_running',
    'lease_expires_at = now()',
  ),
  deadletter: failed({ max_retries: 0 }),
  'pending, with a child': parent(pending()),
  'processing, with a child': parent(processing()),
  'processing, last try, with a child': parent(processing({ max_retries: 0 })),
} satisfies Record<string, Arrange>;
export type Start = keyof typeof starts;

/** `200`, `409 CONFLICT`, … */
async function short(call: Promise<Answer<Record<string, unknown>>>): Promise<string> {
  const { status, body } = await call;
  return status < 400 ? String(status) : `${status} ${String(body['code'])}`;
}

function claim(tenant: Tenant, { queue }: Subject): Promise<ClaimedJob[]> {
  return tenant.claim({ queue_name: queue, worker_id: 'next', lease_duration_secs: 3600 });
}

async function release(tenant: Tenant, { worker }: Subject, cause: 'requested' | 'stale') {
  const { organizationId } = tenant;
  const question = { organizationId, workerId: worker, cause };
  const { released } = await tenant.world.others.request(jobsRpc.releaseWorker, question);
  return `released ${released}`;
}

const proof = ({ worker, lease }: Subject) => ({ worker_id: worker, lease_id: lease });

type Act = (tenant: Tenant, subject: Subject, loops: LoopBells) => Promise<string> | string;

/** What callers and loops do to the job; a loop is rung in every room, and answers nothing. */
export const acts = {
  claim: async (tenant, subject) =>
    (await claim(tenant, subject)).length === 0 ? 'nothing' : 'claimed',
  complete: (tenant, subject) => short(tenant.complete(subject.id, proof(subject))),
  fail: (tenant, subject) => short(tenant.fail(subject.id, proof(subject))),
  renew: (tenant, subject) => short(tenant.renew(subject.id, proof(subject))),
  cancel: (tenant, { id }) => short(tenant.cancel(id)),
  'cancel child': (tenant, { child }) => short(tenant.cancel(child!)),
  retry: (tenant, { id }) => short(tenant.call('POST', `/jobs/${id}/retry`)),
  'set priority': (tenant, { id }) =>
    short(tenant.call('PUT', `/jobs/${id}/priority`, { priority: 1 })),
  'set child priority': (tenant, { child }) =>
    short(tenant.call('PUT', `/jobs/${child!}/priority`, { priority: 1 })),
  'enqueue again': (tenant, { queue }) =>
    short(
      tenant.call('POST', '/jobs', {
        queue_name: queue,
        payload: {},
        idempotency_key: KEY(queue),
      }),
    ),
  'worker leaves': (tenant, subject) => release(tenant, subject, 'requested'),
  'worker is lost': (tenant, subject) => release(tenant, subject, 'stale'),
  reap: (_, __, loops) => ring(loops, 'jobs.lease-reaper'),
  stage: (_, __, loops) => ring(loops, 'jobs.due-stager'),
  sweep: (_, __, loops) => ring(loops, 'jobs.expiry'),
} satisfies Record<string, Act>;
export type ActName = keyof typeof acts;

function ring(loops: LoopBells, name: string): string {
  loops.ring(name);
  return 'rung';
}

/** Does its part without anybody asking, again and again. */
export function isLoop(name: ActName): boolean {
  return name === 'reap' || name === 'stage' || name === 'sweep';
}

/** Whether both stand in line for rows that another transaction holds; the others pass them by. */
export function canBeHeld(...names: ActName[]): boolean {
  const passing: readonly ActName[] = ['claim', 'worker leaves', 'worker is lost'];
  return !names.some((name) => isLoop(name) || passing.includes(name));
}

/** Holds the rows of a job until others stand in line for them, so that both have begun before one of them can win. */
export class HeldRows {
  constructor(
    private readonly observer: pg.Client,
    private readonly holder: pg.Client,
  ) {}

  async hold<T>(
    ids: readonly string[],
    isLinedUp: (waiting: number) => boolean,
    race: () => Promise<T>,
  ): Promise<T> {
    await this.holder.query('begin');
    for (const table of ['job_ready', 'job_deferred', 'job_running', 'job_finished']) {
      await this.holder.query(`select from jobs.${table} where id = any ($1) for update`, [ids]);
    }
    const running = race();
    await eventually(async () => isLinedUp(await this.#waiting()), { intervalMs: 2 });
    await this.holder.query('commit');
    return running;
  }

  async #waiting(): Promise<number> {
    const { rows } = await this.observer.query<{ waiting: number }>(
      `select count(*)::int as waiting from pg_stat_activity
       where datname = current_database() and application_name like 'spooled%' and wait_event_type = 'Lock'`,
    );
    return rows[0]!.waiting;
  }
}
