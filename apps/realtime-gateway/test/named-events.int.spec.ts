import type { StoredEvent } from '@spooled/contracts';
import { eventually } from '@spooled/testing';
import { created } from './fixtures.js';
import { TestGateway, type Wire } from './setup.js';
import { transports } from './watch.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});

afterAll(async () => {
  await gateway.stop();
});

const timestamp = '2026-05-04T03:02:01.000Z';
const named: readonly StoredEvent[] = [
  { type: 'QueuePaused', data: { queue_name: 'emails', reason: null, timestamp } },
  { type: 'QueueResumed', data: { queue_name: 'emails', paused_duration_secs: 5, timestamp } },
  {
    type: 'ScheduleTriggered',
    data: { schedule_id: 's1', job_id: 'j1', queue_name: 'emails', timestamp },
  },
];
const types = (messages: readonly Wire[]): string[] => messages.map(({ type }) => type);

/** Stored events that published clients do not know: they are in the log, and told to who names them. */
describe.each(Object.entries(transports))('over %s', (_name, transport) => {
  it.each<[events: string[] | undefined, told: string[]]>([
    [undefined, ['JobCreated']],
    [['*'], ['JobCreated']],
    [['queue.paused'], ['QueuePaused']],
    [
      ['*', 'schedule.triggered'],
      ['ScheduleTriggered', 'JobCreated'],
    ],
    [
      ['queue.paused', 'queueresumed', 'schedule.triggered', 'job.created'],
      ['QueuePaused', 'QueueResumed', 'ScheduleTriggered', 'JobCreated'],
    ],
  ])('asking for %j is told %j, live and from a cursor', async (events, told) => {
    const caller = gateway.caller();
    const wanted = events === undefined ? {} : { events };
    const watch = await transport.watch(transport.port(gateway), caller, wanted);
    await gateway.append(caller, created('j0'));
    await gateway.append(caller, ...named);
    await gateway.append(caller, created('j1'));
    const isFirstTold = told.includes('JobCreated');
    const expected = isFirstTold ? ['JobCreated', ...told] : told;
    await eventually(() => expect(types(watch.events)).toEqual(expected));
    if (!isFirstTold) return;
    const after = String(watch.events[0]!.id);
    const again = await transport.watch(transport.port(gateway), caller, { ...wanted, after });
    await eventually(() => expect(again.events).toEqual(watch.events.slice(1)));
  });
});
