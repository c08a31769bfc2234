import type { StoredEvent } from '@spooled/contracts';
import {
  changed,
  created,
  health,
  heartbeat,
  logged,
  ping,
  progressed,
  queueStats,
  registered,
} from '../../test/fixtures.js';
import { eventTags, MATCH_ALL, type EventFilter } from './event-filter.js';
import { Selector } from './selector.js';

const everything = { queues: [] };

describe('a selector', () => {
  it('gives an unrestricted key everything', () => {
    const selector = new Selector({ access: everything }, [MATCH_ALL]);
    for (const event of [created('j'), registered('w'), queueStats('q'), health, ping]) {
      expect(selector.matches(event)).toBe(true);
    }
  });

  it('gives nobody what a newer release tells', () => {
    const newer = { ...created('j'), type: 'JobSplit' } as unknown as StoredEvent;
    for (const filter of [MATCH_ALL, { ...MATCH_ALL, queue: 'emails' }]) {
      expect(new Selector({ access: everything }, [filter]).matches(newer)).toBe(false);
    }
  });

  it('gives a scoped key only events of its queues, whatever it subscribes to', () => {
    const selector = new Selector({ access: { queues: ['emails'] } }, [MATCH_ALL]);
    expect(selector.matches(created('j'))).toBe(true);
    expect(selector.matches(created('j', 'sms'))).toBe(false);
    expect(selector.matches(heartbeat('w', 'j', 'sms'))).toBe(false);
    expect(selector.matches(queueStats('sms'))).toBe(false);
    expect(selector.matches(health)).toBe(true);
  });

  it('does not give a scoped key events whose queue is not known', () => {
    const selector = new Selector({ access: { queues: ['emails'] } }, [MATCH_ALL]);
    expect(selector.matches(registered('w', ''))).toBe(false);
  });

  it('keeps a ticket to its queue and job', () => {
    const access = { queues: [], narrowedTo: { queue: 'emails', jobId: 'j1' } };
    const selector = new Selector({ access }, [MATCH_ALL]);
    expect(selector.matches(created('j1'))).toBe(true);
    expect(selector.matches(created('j2'))).toBe(false);
    expect(selector.matches(created('j1', 'sms'))).toBe(false);
    expect(selector.matches(queueStats('emails'))).toBe(false);
    expect(selector.matches(health)).toBe(true);
  });

  it('wants one of its filters, inside the bounds of the URL', () => {
    const url = {
      ...MATCH_ALL,
      workerId: 'w1',
      events: eventTags(['job.created', 'worker.registered']),
    };
    const filters = [
      { ...MATCH_ALL, queue: 'a' },
      { ...MATCH_ALL, jobId: 'j1' },
    ];
    const selector = new Selector({ access: everything, url }, filters);
    expect(selector.matches(created('j2', 'a'))).toBe(true);
    expect(selector.matches(created('j1', 'b'))).toBe(true);
    expect(selector.matches(created('j2', 'b'))).toBe(false);
    expect(selector.matches(changed('j1', 'processing'))).toBe(false);
    expect(selector.matches(registered('w1', 'a'))).toBe(true);
    expect(selector.matches(registered('w2', 'a'))).toBe(false);
  });

  const naming = { ...MATCH_ALL, events: eventTags(['job.progress']) };
  const queueA = { ...MATCH_ALL, queue: 'a' };
  it.each<[string, EventFilter | undefined, EventFilter[], boolean]>([
    ['nobody', undefined, [MATCH_ALL], false],
    ['a star', { ...MATCH_ALL, events: eventTags(['*']) }, [MATCH_ALL], false],
    ['the URL', naming, [MATCH_ALL], true],
    ['the URL, outside the filters', naming, [{ ...MATCH_ALL, queue: 'b' }], false],
    ['the URL, inside a filter', naming, [{ ...MATCH_ALL, queue: 'b' }, queueA], true],
    [
      'the URL, but not the filter',
      naming,
      [{ ...MATCH_ALL, events: eventTags(['job.log']) }],
      false,
    ],
    ['a filter', undefined, [naming], true],
    ['a filter beside one for all', undefined, [MATCH_ALL, naming], true],
    ['a filter of a queue', undefined, [MATCH_ALL, { ...naming, queue: 'a' }], true],
    ['a filter of another queue', undefined, [queueA, { ...naming, queue: 'b' }], false],
    [
      'a filter, but not the URL',
      { ...MATCH_ALL, events: eventTags(['job.log']) },
      [naming],
      false,
    ],
    [
      'a star and a name',
      { ...MATCH_ALL, events: eventTags(['*', 'job.progress']) },
      [queueA],
      true,
    ],
  ])('lets progress pass when it is named by %s', (_name, url, filters, passes) => {
    const selector = new Selector({ access: everything, ...(url && { url }) }, filters);
    expect(selector.matches(progressed('j', { queue_name: 'a' }))).toBe(passes);
    if (passes) expect(selector.isNaming).toBe(true);
  });

  it('keeps what must be named inside scope and ticket', () => {
    const log = (jobId: string, queue_name: string) => logged(jobId, { queue_name });
    const filters = [{ ...MATCH_ALL, events: eventTags(['job.log']) }];
    const scoped = new Selector({ access: { queues: ['a'] } }, filters);
    expect([scoped.matches(log('j', 'a')), scoped.matches(log('j', 'b'))]).toEqual([true, false]);
    const narrowedTo = { queue: null, jobId: 'j' };
    const ticket = new Selector({ access: { queues: [], narrowedTo } }, filters);
    expect([ticket.matches(log('j', 'a')), ticket.matches(log('k', 'a'))]).toEqual([true, false]);
  });

  it('leaves out what a snapshot holds already', () => {
    const selector = new Selector({ access: everything, afterRev: 2 }, [MATCH_ALL]);
    expect(selector.matches(changed('j', 'processing', { rev: 2 }))).toBe(false);
    expect(selector.matches(changed('j', 'completed', { rev: 3 }))).toBe(true);
  });

  it('has the key of every selector that does the same', () => {
    const a = { ...MATCH_ALL, queue: 'a' };
    const b = { ...MATCH_ALL, queue: 'b' };
    const key = (...filters: EventFilter[]) => new Selector({ access: everything }, filters).key;
    expect(key(a, b)).toBe(key(b, a, b));
    expect(key(a, MATCH_ALL)).toBe(key(MATCH_ALL));
    expect(key(a)).not.toBe(key(b));
    expect(key(MATCH_ALL)).not.toBe(key(MATCH_ALL, naming));
    const scoped = new Selector({ access: { queues: ['a', 'b'] } }, [a]);
    expect(scoped.key).not.toBe(key(a));
    expect(scoped.key).toBe(new Selector({ access: { queues: ['b', 'a'] } }, [a]).key);
  });
});
