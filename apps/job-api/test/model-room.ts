import { eventually } from '@spooled/testing';
import type fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import type { Crash, Fuse } from './model-crash.js';
import { brokenPromises, storedJobs, type StoredJob } from './model-invariants.js';
import type { Model, ModelJob } from './model-jobs.js';
import type { LoopBells } from './model-loops.js';
import type { Tenant, World } from './setup.js';

export interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a command asks, what the contract says is answered, and what that changes. */
export interface Plan {
  readonly ask: () => Promise<Reply>;
  /** `200`, `409 CONFLICT`, … */
  readonly answer: string | RegExp;
  /** Follows the change in the model; absent when nothing may change. */
  readonly effect?: (found: Found) => void;
  /** Looks at the answer, if there was one, after the effect. */
  readonly says?: (reply: Reply) => void;
}

/** What is stored after a call and could not be known before. */
export interface Found {
  /** Ids of jobs that are new, oldest first. */
  readonly fresh: readonly string[];
  readonly stored: (id: string) => StoredJob;
}

/** The service under test as one tenant, and the means to disturb it. */
export class Room {
  #stored: readonly StoredJob[] = [];

  constructor(
    readonly tenant: Tenant,
    readonly loops: LoopBells,
    readonly crash: Crash,
    readonly restart: () => Promise<void>,
  ) {}

  get world(): World {
    return this.tenant.world;
  }

  /**
   * Takes one step. A call that lost its connections has happened or has not happened: what is stored decides, and
   * must agree with the model in either case.
   */
  async take(model: Model, plan: Plan, fuse: Fuse | undefined): Promise<void> {
    const reply = await (fuse === undefined ? plan.ask() : this.crash.during(fuse, plan.ask));
    if (fuse !== undefined) await this.crash.isOver(this.tenant);
    const before = this.#stored;
    const stored = await storedJobs(this.tenant);
    this.#stored = stored;
    const isUnanswered = fuse !== undefined && reply.status === 503;
    if (!isUnanswered) expect(inShort(reply)).toMatch(plan.answer);
    if (isUnanswered ? !isDeepStrictEqual(before, stored) : plan.effect !== undefined) {
      const known = new Set(model.jobs.map(({ id }) => id));
      plan.effect?.({
        fresh: stored.flatMap(({ id }) => (known.has(id) ? [] : [id])),
        stored: (id) => stored.find((job) => job.id === id)!,
      });
    }
    if (!isUnanswered) plan.says?.(reply);
    expect(stored.map(comparable)).toEqual(model.jobs.map(comparable));
    expect(await brokenPromises(this.tenant, stored)).toEqual([]);
  }

  /** Waits until connections are back and no loop has anything to do for the tenant. */
  async calmDown(): Promise<void> {
    await this.crash.isOver(this.tenant);
    await eventually(async () => {
      for (const loop of ['jobs.lease-reaper', 'jobs.expiry', 'jobs.due-stager']) {
        this.loops.ring(loop);
      }
      const { rows } = await this.world.owner.query<{ count: number }>(WAITING_FOR_LOOPS, [
        this.tenant.organizationId,
      ]);
      expect(rows[0]!.count).toBe(0);
    });
  }
}

const WAITING_FOR_LOOPS = `select count(*)::int as count from (
  select from jobs.job_running where organization_id = $1 and lease_expires_at <= now()
  union all select from jobs.job_ready where organization_id = $1 and expires_at <= now()
  union all select from jobs.job_deferred where organization_id = $1
    and (expires_at <= now() or (status = 'scheduled' and due_at <= now()))
) waiting`;

function comparable({
  id,
  status,
  rev,
  retryCount,
  priority,
  worker,
  lease,
}: StoredJob | ModelJob) {
  return { id, status, rev, retryCount, priority, worker, lease };
}

function inShort({ status, body }: Reply): string {
  return status < 400 ? String(status) : `${status} ${String(body['code'])}`;
}

/** A command; `under` a fuse the room loses its connections on the way. */
export class Step implements fc.AsyncCommand<Model, Room> {
  constructor(
    readonly name: string,
    readonly plan: (model: Model, room: Room) => Plan,
    readonly check: (model: Readonly<Model>) => boolean,
    readonly fuse?: Fuse,
  ) {}

  under(fuse: Fuse): Step {
    return new Step(`${this.name} under ${JSON.stringify(fuse)}`, this.plan, this.check, fuse);
  }

  async run(model: Model, room: Room): Promise<void> {
    await room.take(model, this.plan(model, room), this.fuse);
  }

  toString(): string {
    return this.name;
  }
}
