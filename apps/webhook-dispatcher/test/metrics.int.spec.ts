import { Metrics } from '@spooled/telemetry';
import { eventually } from '@spooled/testing';
import { readFileSync } from 'node:fs';
import { Receiver } from './receiver.js';
import { completed, World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await World.setup();
});
afterAll(() => world.stop());

describe('metrics', () => {
  it('count attempts by what came of them, and are all described in docs/metrics.md', async () => {
    const receiver = await Receiver.start();
    const { organizationId, credential } = world.key();
    const { id } = await world.make(credential, { url: receiver.url });
    receiver.script(500);
    await world.tell(organizationId, completed());
    await eventually(async () => {
      expect(await world.metric('spooled_webhook_attempts_total{outcome="success"}')).toBe(1);
      expect(await world.metric('spooled_webhook_attempts_total{outcome="retried"}')).toBe(1);
    });
    expect(await world.metric('spooled_webhook_first_attempt_lag_seconds_count')).toBe(1);
    expect(await world.metric('spooled_webhook_events_missed_total')).toBe(0);
    const text = await world.context.get(Metrics).exposition();
    for (const value of [organizationId, id, receiver.url]) expect(text).not.toContain(value);
    const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
    const rows = page.matchAll(/^\| `(spooled_\w+)` +\| (\w+) /gm);
    const described = new Map([...rows].map(([, name, type]) => [name, type]));
    const ours = [...text.matchAll(/^# TYPE (spooled_\w+) (\w+)$/gm)];
    expect(ours.length).toBeGreaterThan(5);
    for (const [, name, type] of ours) expect([name, described.get(name)]).toEqual([name, type]);
  });

  it('tell of events that left the log unread', async () => {
    const receiver = await Receiver.start();
    const { organizationId, credential } = world.key();
    await world.make(credential, { url: receiver.url });
    await world.close(world.context);
    for (let mark = 0; mark < 5; mark += 1) await world.tell(organizationId, completed(mark));
    await world.owner.query('delete from events.log where organization_id = $1 and last_seq <= 3', [
      organizationId,
    ]);
    await world.boot();
    await eventually(() => expect(receiver.received).toHaveLength(2));
    expect(await world.metric('spooled_webhook_events_missed_total')).toBe(3);
  });
});
