/** What clients were told, and what must therefore be true in the end, whatever broke in between. */
import type { ClaimedJob, StoredEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';

import type { Client } from './client.js';
import type { Follower, Seen } from './follower.js';

const terminal = new Set(['completed', 'deadletter', 'cancelled']);

export class Ledger {
  /** Ids of jobs whose enqueue was acknowledged. */
  readonly acknowledged = new Set<string>();
  /** Job → leases whose completion was accepted. */
  private readonly completions = new Map<string, string[]>();
  /** `<job> <attempt>` → leases that were given for it. */
  private readonly holders = new Map<string, Set<string>>();
  /** Completions that somebody tried with a lease he had lost, and what the server said. */
  private readonly staleAttempts: { jobId: string; status: number }[] = [];

  acknowledge(...jobIds: string[]): void {
    for (const id of jobIds) this.acknowledged.add(id);
  }

  /** A worker was given this job. */
  hold({ id, retry_count, lease_id }: ClaimedJob): void {
    const attempt = `${id} ${retry_count}`;
    this.holders.set(attempt, (this.holders.get(attempt) ?? new Set()).add(lease_id));
  }

  accept(jobId: string, leaseId: string): void {
    this.completions.set(jobId, [...(this.completions.get(jobId) ?? []), leaseId]);
  }

  refuseStale(jobId: string, status: number): void {
    this.staleAttempts.push({ jobId, status });
  }

  get completedCount(): number {
    return this.completions.size;
  }

  /** Waits until every acknowledged job has come to its end, and no other one is held by a lease that a crash left. */
  async settled(client: Client, timeoutMs = 120_000): Promise<void> {
    await eventually(
      async () => {
        const statuses = await client.statuses([...this.acknowledged]);
        const open = [...statuses.values()].filter(({ status }) => !terminal.has(status));
        if (open.length > 0) throw new Error(`still open: ${JSON.stringify(open.slice(0, 3))}`);
        const held = await client.jobsIn('processing');
        if (held.length > 0) throw new Error(`still held: ${JSON.stringify(held.slice(0, 3))}`);
      },
      { timeoutMs, intervalMs: 100 },
    );
  }

  /** The invariants, as sentences about what broke them. Empty when all hold. Call it after `settled`. */
  async violations(client: Client, followers: readonly Follower[]): Promise<string[]> {
    const ids = [...this.acknowledged];
    const statuses = await client.statuses(ids);
    const wrong: string[] = [];
    for (const id of ids) {
      const status = statuses.get(id)?.status;
      const accepted = this.completions.get(id)?.length ?? 0;
      if (status === undefined) wrong.push(`I1: acknowledged job ${id} does not exist`);
      if (accepted > 1) wrong.push(`I2: job ${id} was completed ${accepted} times`);
      if ((status === 'completed') !== (accepted === 1)) {
        wrong.push(`I2: job ${id} is ${status} with ${accepted} accepted completions`);
      }
    }
    for (const [attempt, leases] of this.holders) {
      if (leases.size > 1) wrong.push(`I2: attempt ${attempt} was given to ${leases.size} workers`);
    }
    for (const { jobId, status } of this.staleAttempts) {
      if (status !== 404 && status !== 409)
        wrong.push(`I3: an old lease of ${jobId} got ${status}`);
    }
    for (const { id } of await client.jobsIn('processing')) {
      wrong.push(`I4: job ${id} is still processing`);
    }
    const ends = new Map([...statuses].map(([id, { status }]) => [id, status]));
    for (const follower of followers) {
      await sawEveryEnd(follower, ends).catch((error: Error) => wrong.push(`I5: ${error.message}`));
      wrong.push(...streamViolations(follower));
    }
    return wrong;
  }

  /** I7: what `follower` saw of these jobs, which are not its organization's. */
  foreignEvents(follower: Follower): StoredEvent[] {
    return follower
      .seen()
      .map(({ event }) => event)
      .filter(({ data }) => 'job_id' in data && this.acknowledged.has(data.job_id));
  }
}

async function sawEveryEnd(follower: Follower, ends: ReadonlyMap<string, string>): Promise<void> {
  await eventually(
    () => {
      const last = new Map<string, string>();
      for (const { event } of follower.seen()) {
        if (event.type === 'JobStatusChange') last.set(event.data.job_id, event.data.new_status);
      }
      const missing = [...ends].filter(([id, status]) => last.get(id) !== status);
      const [id, status] = missing[0] ?? [];
      if (id === undefined) return;
      throw new Error(
        `${follower.name} follower lacks the end of ${missing.length} jobs: ${id} is ${status}, seen ${last.get(id)}`,
      );
    },
    { intervalMs: 100 },
  );
}

/** I5 and I6 for one recovering subscriber: a dense log, each event once, revs 1..n per job, no gap announced. */
function streamViolations(follower: Follower): string[] {
  const wrong: string[] = [];
  let expected = follower.startSeq + 1;
  for (const { seq } of follower.seen()) {
    if (seq !== expected) {
      wrong.push(`I5: ${follower.name} follower got event ${seq} instead of ${expected}`);
      expected = seq;
    }
    expected += 1;
  }
  for (const [jobId, revs] of revsByJob(follower.seen())) {
    const isDense = revs.every((rev, index) => {
      const before = revs[index - 1] ?? 0;
      return rev === before || rev === before + 1;
    });
    if (!isDense) wrong.push(`I5: ${follower.name} follower got revs ${revs.join()} of ${jobId}`);
  }
  const errors = follower.errors();
  if (errors.length > 0) wrong.push(`I6: ${follower.name} follower got ${JSON.stringify(errors)}`);
  return wrong.slice(0, 20);
}

function revsByJob(seen: readonly Seen[]): Map<string, number[]> {
  const revs = new Map<string, number[]>();
  for (const { event } of seen) {
    if (!('rev' in event.data)) continue;
    const { job_id: id, rev } = event.data;
    const known = revs.get(id);
    if (known) known.push(rev);
    else revs.set(id, [rev]);
  }
  return revs;
}
