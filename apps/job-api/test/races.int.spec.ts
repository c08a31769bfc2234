import type { INestApplicationContext } from '@nestjs/common';
import { eventually } from '@spooled/testing';
import { brokenPromises, storedJobs } from './model-invariants.js';
import { LoopBells } from './model-loops.js';
import {
  acts,
  canBeHeld,
  HeldRows,
  isLoop,
  starts,
  type ActName,
  type Start,
  type Subject,
} from './model-races.js';
import { Tenant, World } from './setup.js';

/** Each pair is raced so often. `RACE_ROUNDS=300` looks longer. */
const rounds = Number(process.env['RACE_ROUNDS'] ?? 30);

/** Rounds that run at once, each with a job of its own: their calls share transactions. */
const ABREAST = 5;

const loops = LoopBells.watch();
let world: World;
let otherRoom: INestApplicationContext;
let rows: HeldRows;
beforeAll(async () => {
  world = await World.setup();
  otherRoom = world.context;
  await world.boot();
  rows = new HeldRows(world.owner, await world.client());
});
afterAll(async () => {
  await otherRoom.close();
  await world.stop();
});

/** The same tenant, served by the other instance of the room. */
function elsewhere(tenant: Tenant): Tenant {
  const seen = Object.create(world, { context: { value: otherRoom } }) as World;
  return new Tenant(seen, tenant.organizationId, tenant.credential);
}

/** `200 / 409 CONFLICT → completed 0`: what one is answered, what the other is, status and retry count of the job then. */
type Ending = `${string} / ${string} → ${string}`;
type Race = [start: Start, one: ActName, other: ActName, ...endings: Ending[]];

/** The contract's transitions by the state they begin in, each against each, with every ending that an order of the two explains. */
// prettier-ignore
const races: Race[] = [
  // pending: claim, cancel, expire
  ['pending', 'claim', 'claim', 'claimed / nothing → processing 0', 'nothing / claimed → processing 0'],
  ['pending', 'claim', 'cancel', 'claimed / 409 CONFLICT → processing 0', 'nothing / 204 → cancelled 0'],
  ['pending', 'claim', 'set priority', 'claimed / 404 NOT_FOUND → processing 0', 'claimed / 200 → processing 0',
    // A claim passes by a job that is being changed.
    'nothing / 200 → pending 0'],
  ['pending', 'claim', 'enqueue again', 'claimed / 200 → processing 0', 'nothing / 200 → pending 0'],
  ['pending', 'cancel', 'cancel', '204 / 409 CONFLICT → cancelled 0', '409 CONFLICT / 204 → cancelled 0'],
  ['pending', 'cancel', 'set priority', '204 / 404 NOT_FOUND → cancelled 0', '204 / 200 → cancelled 0'],
  ['pending', 'cancel', 'enqueue again', '204 / 200 → cancelled 0'],
  ['pending', 'set priority', 'set priority', '200 / 200 → pending 0'],
  ['pending, expired', 'sweep', 'claim', 'rung / nothing → cancelled 0'],
  ['pending, expired', 'sweep', 'cancel', 'rung / 409 CONFLICT → cancelled 0', 'rung / 204 → cancelled 0'],
  ['pending, expired', 'sweep', 'set priority', 'rung / 404 NOT_FOUND → cancelled 0', 'rung / 200 → cancelled 0'],

  // scheduled: become due, claim when due, cancel
  ['scheduled', 'cancel', 'cancel', '204 / 409 CONFLICT → cancelled 0', '409 CONFLICT / 204 → cancelled 0'],
  ['scheduled', 'cancel', 'claim', '204 / nothing → cancelled 0'],
  ['scheduled, due', 'stage', 'claim', 'rung / claimed → processing 0', 'rung / nothing → pending 0'],
  ['scheduled, due', 'stage', 'cancel', 'rung / 204 → cancelled 0'],
  ['scheduled, due', 'stage', 'set priority', 'rung / 200 → pending 0'],
  ['backing off, due', 'stage', 'claim', 'rung / claimed → processing 1', 'rung / nothing → pending 1'],
  ['backing off, due', 'stage', 'cancel', 'rung / 204 → cancelled 1'],
  ['backing off, due', 'stage', 'complete', 'rung / 409 LEASE_EXPIRED → pending 1'],

  // processing: complete, fail, lease expired, worker lost, worker deregistered
  ['processing', 'complete', 'complete', '200 / 409 CONFLICT → completed 0', '409 CONFLICT / 200 → completed 0'],
  ['processing', 'complete', 'fail', '200 / 409 CONFLICT → completed 0', '409 LEASE_EXPIRED / 200 → pending 1'],
  ['processing', 'complete', 'renew', '200 / 409 CONFLICT → completed 0', '200 / 200 → completed 0'],
  ['processing', 'complete', 'cancel', '200 / 409 CONFLICT → completed 0'],
  ['processing', 'complete', 'retry', '200 / 409 CONFLICT → completed 0'],
  ['processing', 'complete', 'claim', '200 / nothing → completed 0'],
  ['processing', 'complete', 'worker leaves', '200 / released 0 → completed 0', '409 LEASE_EXPIRED / released 1 → pending 0'],
  ['processing', 'complete', 'worker is lost', '200 / released 0 → completed 0', '409 LEASE_EXPIRED / released 1 → pending 1'],
  ['processing', 'complete', 'enqueue again', '200 / 200 → completed 0'],
  ['processing', 'fail', 'fail', '200 / 409 LEASE_EXPIRED → pending 1', '409 LEASE_EXPIRED / 200 → pending 1'],
  ['processing', 'fail', 'renew', '200 / 409 LEASE_EXPIRED → pending 1', '200 / 200 → pending 1'],
  ['processing', 'fail', 'cancel', '200 / 409 CONFLICT → pending 1', '200 / 204 → cancelled 1'],
  ['processing', 'fail', 'claim', '200 / nothing → pending 1',
    // On a slow machine the backoff is over by then.
    '200 / claimed → processing 1'],
  ['processing', 'fail', 'worker leaves', '200 / released 0 → pending 1', '409 LEASE_EXPIRED / released 1 → pending 0'],
  ['processing', 'fail', 'worker is lost', '200 / released 0 → pending 1', '409 LEASE_EXPIRED / released 1 → pending 1'],
  ['processing', 'renew', 'renew', '200 / 200 → processing 0'],
  ['processing', 'renew', 'cancel', '200 / 409 CONFLICT → processing 0'],
  ['processing', 'renew', 'worker leaves', '200 / released 1 → pending 0', '409 LEASE_EXPIRED / released 1 → pending 0'],
  ['processing', 'renew', 'worker is lost', '200 / released 1 → pending 1', '409 LEASE_EXPIRED / released 1 → pending 1'],
  ['processing', 'worker leaves', 'worker leaves', 'released 1 / released 0 → pending 0', 'released 0 / released 1 → pending 0'],
  ['processing', 'worker leaves', 'worker is lost', 'released 1 / released 0 → pending 0', 'released 0 / released 1 → pending 1'],
  ['processing', 'worker leaves', 'claim', 'released 1 / claimed → processing 0', 'released 1 / nothing → pending 0'],
  ['processing', 'worker leaves', 'cancel', 'released 1 / 409 CONFLICT → pending 0', 'released 1 / 204 → cancelled 0'],
  ['processing', 'worker leaves', 'enqueue again', 'released 1 / 200 → pending 0'],
  ['processing, last try', 'complete', 'fail', '200 / 409 CONFLICT → completed 0', '409 CONFLICT / 200 → deadletter 0'],
  ['processing, last try', 'fail', 'fail', '200 / 409 CONFLICT → deadletter 0', '409 CONFLICT / 200 → deadletter 0'],
  ['processing, last try', 'fail', 'retry', '200 / 409 CONFLICT → deadletter 0', '200 / 200 → pending 0'],
  ['processing, last try', 'fail', 'worker is lost', '200 / released 0 → deadletter 0', '409 CONFLICT / released 1 → deadletter 0'],
  ['processing, last try', 'complete', 'worker is lost', '200 / released 0 → completed 0', '409 CONFLICT / released 1 → deadletter 0'],
  ['processing, lease over', 'reap', 'enqueue again', 'rung / 200 → pending 1'],
  ['processing, lease over', 'reap', 'complete', 'rung / 409 LEASE_EXPIRED → pending 1'],
  ['processing, lease over', 'reap', 'fail', 'rung / 409 LEASE_EXPIRED → pending 1'],
  ['processing, lease over', 'reap', 'renew', 'rung / 409 LEASE_EXPIRED → pending 1'],
  ['processing, lease over', 'reap', 'cancel', 'rung / 409 CONFLICT → pending 1', 'rung / 204 → cancelled 1'],
  ['processing, lease over', 'reap', 'claim', 'rung / claimed → processing 1', 'rung / nothing → pending 1'],
  ['processing, lease over', 'reap', 'worker leaves', 'rung / released 0 → pending 1', 'rung / released 1 → pending 0'],
  ['processing, lease over', 'reap', 'worker is lost', 'rung / released 0 → pending 1', 'rung / released 1 → pending 1'],
  ['processing, last try, lease over', 'reap', 'complete', 'rung / 409 LEASE_EXPIRED → deadletter 0', 'rung / 409 CONFLICT → deadletter 0'],
  ['processing, last try, lease over', 'reap', 'retry', 'rung / 409 CONFLICT → deadletter 0', 'rung / 200 → pending 0'],

  // deadletter: retry
  ['deadletter', 'retry', 'retry', '200 / 409 CONFLICT → pending 0', '409 CONFLICT / 200 → pending 0'],
  ['deadletter', 'retry', 'cancel', '200 / 409 CONFLICT → pending 0', '200 / 204 → cancelled 0'],
  ['deadletter', 'retry', 'claim', '200 / claimed → processing 0', '200 / nothing → pending 0'],
  ['deadletter', 'retry', 'complete', '200 / 409 CONFLICT → pending 0', '200 / 404 NOT_FOUND → pending 0'],
  ['deadletter', 'retry', 'set priority', '200 / 404 NOT_FOUND → pending 0', '200 / 200 → pending 0'],
  ['deadletter', 'retry', 'enqueue again', '200 / 200 → pending 0'],

  // a parent ends while its child is acted on; the end is the child's
  ['processing, with a child', 'complete', 'cancel child', '200 / 204 → cancelled 0'],
  ['processing, with a child', 'complete', 'set child priority', '200 / 200 → pending 0'],
  ['processing, with a child', 'complete', 'claim', '200 / claimed → processing 0', '200 / nothing → pending 0'],
  ['processing, last try, with a child', 'fail', 'cancel child', '200 / 204 → cancelled 0', '200 / 409 CONFLICT → cancelled 0'],
  ['pending, with a child', 'cancel', 'cancel child', '204 / 204 → cancelled 0', '204 / 409 CONFLICT → cancelled 0'],
  ['pending, with a child', 'cancel', 'set child priority', '204 / 200 → cancelled 0', '204 / 404 NOT_FOUND → cancelled 0'],
];

/** One round: the two set out together, in either order, through one room or two. */
async function raceOnce(tenant: Tenant, race: Race, round: number, isHeld: boolean) {
  const [start, one, other] = race;
  const [queue, worker] = [`q-${round}`, `w-${round}`];
  const subject: Subject = { queue, worker, ...(await starts[start](tenant, queue, worker)) };
  const isApart = round % 2 === 0;
  let answered = 0;
  const send = async (name: ActName, caller: Tenant): Promise<string> => {
    const answer = await acts[name](caller, subject, loops);
    answered += 1;
    return answer;
  };
  const both = async (): Promise<string> => {
    const ahead = round % 4 < 2 ? undefined : send(other, isApart ? elsewhere(tenant) : tenant);
    const first = send(one, tenant);
    const second = ahead ?? send(other, isApart ? elsewhere(tenant) : tenant);
    return (await Promise.all([first, second])).join(' / ');
  };
  const held = subject.child === undefined ? [subject.id] : [subject.id, subject.child];
  const isLinedUp = (waiting: number) => answered + waiting >= (isApart ? 2 : 1);
  const answers = await (isHeld ? rows.hold(held, isLinedUp, both) : both());
  return endingOf(tenant, race, subject, answers);
}

/** What has become of the job, as soon as that is one of the endings; loops take their time. */
async function endingOf(
  tenant: Tenant,
  [, one, other, ...endings]: Race,
  subject: Subject,
  answers: string,
): Promise<string> {
  let ending = '';
  const isOver = async (): Promise<boolean> => {
    const stored = await storedJobs(tenant);
    const job = stored.find(({ id }) => id === (subject.child ?? subject.id))!;
    ending = `${answers} → ${job.status} ${job.retryCount}`;
    return (endings as string[]).includes(ending);
  };
  await eventually(async () => {
    if (await isOver()) return true;
    // A loop that passed by a job that was being changed comes again.
    for (const name of [one, other].filter(isLoop)) await acts[name](tenant, subject, loops);
    return false;
  }).catch(() => undefined);
  return ending;
}

it.each(races)(
  '%s: %s against %s',
  async (...race) => {
    const tenant = world.key();
    const [, one, other, ...endings] = race;
    const heldRounds = canBeHeld(one, other) ? rounds / 3 : 0;
    let round = 0;
    for (; round < heldRounds; round += 1) {
      expect(endings).toContain(await raceOnce(tenant, race, round, true));
    }
    while (round < rounds) {
      const next = Array.from({ length: ABREAST }, () => raceOnce(tenant, race, round++, false));
      for (const ending of await Promise.all(next)) expect(endings).toContain(ending);
    }
    expect(await brokenPromises(tenant)).toEqual([]);
  },
  rounds * 6000,
);

it('takes in a child whose key another caller brings while its parent completes', async () => {
  const tenant = world.key();
  for (let round = 0; round < rounds / 2; round += 1) {
    const queue_name = `q-${round}`;
    const parent = await tenant.leased({ queue_name });
    const request = { queue_name, payload: {}, idempotency_key: queue_name };
    const [child, job, completed] = await Promise.all([
      tenant.call('POST', '/jobs', { ...request, parent_job_id: parent.id }),
      tenant.call('POST', '/jobs', request),
      tenant.complete(parent.id),
    ]);
    // One of the two made the job, the other one is told of it.
    expect([child.status, job.status].toSorted()).toEqual([200, 201]);
    expect(child.body['id']).toBe(job.body['id']);
    expect(completed.status).toBe(200);
  }
  expect(await brokenPromises(tenant)).toEqual([]);
});
