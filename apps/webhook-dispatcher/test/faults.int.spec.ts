import { eventually, spawnProcess, type SpawnedProcess } from '@spooled/testing';
import { fileURLToPath } from 'node:url';
import { Receiver } from './receiver.js';
import { completed, World } from './setup.js';

/** A dead bus is noticed and found again within seconds, and a dead instance when its leases run out. */
const RECOVERY = { timeoutMs: 120_000 };
const TEST_LIMIT_MS = 300_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));

let world: World;
afterEach(() => world.stop());

const marksOf = (receiver: Receiver): number[] =>
  receiver.received.map(({ body }) => body.data['result'] as number).sort((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('without NATS', () => {
  it(
    'every event is delivered all the same',
    async () => {
      world = await World.setup();
      const receiver = await Receiver.start();
      const { organizationId, credential } = world.key();
      await world.make(credential, { url: receiver.url });
      await world.nats.kill();
      for (const mark of upTo(5)) await world.tell(organizationId, completed(mark));
      await eventually(() => expect(marksOf(receiver)).toEqual(upTo(5)));
      await world.nats.start();
      await world.tell(organizationId, completed(5));
      await eventually(() => expect(marksOf(receiver)).toEqual(upTo(6)), RECOVERY);
    },
    TEST_LIMIT_MS,
  );
});

describe('several dispatchers', () => {
  it(
    'share the deliveries, and none is attempted by two at once',
    async () => {
      world = await World.setup({ instances: 3 });
      const { organizationId, credential } = world.key();
      const receiver = await Receiver.start();
      const open = new Set<string>();
      let twice = 0;
      receiver.answer = (response, { body }) => {
        if (open.has(body.id)) twice += 1;
        open.add(body.id);
        setTimeout(() => {
          open.delete(body.id);
          response.end();
        }, 5);
      };
      await world.make(credential, { url: receiver.url });
      await world.make(credential, { url: receiver.url });
      for (let start = 0; start < 600; start += 20) {
        await world.tell(organizationId, ...upTo(20).map((index) => completed(start + index)));
      }
      await eventually(() => expect(receiver.received.length).toBe(1200), RECOVERY);
      expect(twice).toBe(0);
      expect(new Set(receiver.ids()).size).toBe(1200);
      const attempts = await eventually(async () => {
        const counts = await Promise.all(
          world.contexts.map((context) =>
            world.metric('spooled_webhook_attempts_total{outcome="success"}', context),
          ),
        );
        expect(counts.reduce((sum, each) => sum + each)).toBe(1200);
        return counts;
      });
      expect(attempts.filter((each) => each > 0).length).toBeGreaterThan(1);
    },
    TEST_LIMIT_MS,
  );

  it(
    'stop in order: what is under way ends, and the others go on with the rest',
    async () => {
      world = await World.setup({ instances: 2 });
      const { organizationId, credential } = world.key();
      const receiver = await Receiver.start();
      receiver.answer = (response) => void setTimeout(() => response.end(), 100);
      await world.make(credential, { url: receiver.url });
      await world.tell(organizationId, ...upTo(200).map(completed));
      await eventually(() => expect(receiver.received.length).toBeGreaterThan(20));
      await world.close(world.contexts[1]!);
      await eventually(() => expect(marksOf(receiver)).toEqual(upTo(200)), RECOVERY);
    },
    TEST_LIMIT_MS,
  );
});

describe('a dispatcher that is killed', () => {
  it(
    'loses nothing: others take over, and only what was under way comes a second time',
    async () => {
      world = await World.setup({ settings: { WEBHOOK_LEASE_SECS: '12' } });
      const receiver = await Receiver.start();
      const { organizationId, credential } = world.key();
      const { id } = await world.make(credential, { url: receiver.url });
      await world.close(world.context);
      const spawn = (): Promise<SpawnedProcess> =>
        spawnProcess({
          command: process.execPath,
          args: ['apps/webhook-dispatcher/dist/main.js'],
          cwd: root,
          env: { ...world.environment, LOG_LEVEL: 'warn' },
        });
      const TOTAL = 600;
      let toTell = TOTAL;
      const telling = (async () => {
        while (toTell > 0) {
          toTell -= 10;
          await world.tell(organizationId, ...upTo(10).map((index) => completed(toTell + index)));
        }
      })();
      // Some deliveries are under way whenever one is killed.
      receiver.answer = (response) => void setTimeout(() => response.end(), 20);
      let mostUnderWay = 0;
      for (const seen of [50, 150, 300]) {
        const child = await spawn();
        await eventually(() => expect(receiver.received.length).toBeGreaterThan(seen), RECOVERY);
        mostUnderWay += receiver.open;
        child.kill('SIGKILL');
        await child.exited;
      }
      await telling;
      await world.boot();
      await eventually(() => expect(new Set(marksOf(receiver)).size).toBe(TOTAL), RECOVERY);
      expect([...new Set(marksOf(receiver))]).toEqual(upTo(TOTAL));
      const { rows } = await eventually(async () => {
        const found = await world.owner.query<{ id: string; status: string }>(
          'select id, status from webhooks.delivery where endpoint_id = $1',
          [id],
        );
        expect(found.rows.every(({ status }) => status === 'success')).toBe(true);
        return found;
      }, RECOVERY);
      // One delivery for each event, and its id on every attempt.
      expect(rows).toHaveLength(TOTAL);
      expect(new Set(receiver.ids())).toEqual(new Set(rows.map((row) => row.id)));
      // What had no outcome on record yet: under way, or answered in the last moment.
      expect(receiver.received.length - TOTAL).toBeLessThanOrEqual(mostUnderWay + 3 * 64);
    },
    TEST_LIMIT_MS,
  );
});

describe('a receiver that never answers', () => {
  it(
    'delays nobody else, and holds one place however much waits for it',
    async () => {
      world = await World.setup({ settings: { WEBHOOK_MAX_IN_FLIGHT: '40' } });
      const hanging = await Receiver.start();
      hanging.answer = () => undefined;
      const receiver = await Receiver.start();
      const slow = world.key();
      const good = world.key();
      for (let count = 0; count < 10; count += 1) {
        await world.make(slow.credential, { url: hanging.url });
      }
      await world.make(good.credential, { url: receiver.url });
      await world.tell(slow.organizationId, ...upTo(50).map(completed));
      await eventually(() => expect(hanging.open).toBe(20));
      const lags: number[] = [];
      for (const mark of upTo(20)) {
        const toldAt = Date.now();
        await world.tell(good.organizationId, completed(mark));
        await eventually(() => expect(receiver.received).toHaveLength(mark + 1));
        lags.push(receiver.received.at(-1)!.at - toldAt);
      }
      // An attempt is given up after ten seconds: no place had to come free that way.
      expect(Math.max(...lags)).toBeLessThan(9000);
      // The first two of each run out of time; from then on it is one at a time.
      await eventually(() => {
        expect(hanging.received.length).toBeGreaterThan(20);
        expect(hanging.open).toBeLessThanOrEqual(10);
      }, RECOVERY);
      const { rows } = await world.owner.query(
        `select distinct error from webhooks.delivery where attempts > 0 and status = 'pending'`,
      );
      expect(rows).toEqual([{ error: 'no answer within 10 s' }]);
      await hanging.stop();
    },
    TEST_LIMIT_MS,
  );
});
