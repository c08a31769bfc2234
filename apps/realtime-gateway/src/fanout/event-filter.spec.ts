import { eventNames, optInEvents, type EventTag } from '@spooled/contracts';
import { created, health, heartbeat, ping, queueStats, registered } from '../../test/fixtures.js';
import { eventTags, filterKey, MATCH_ALL, matchesFilter } from './event-filter.js';

const byQueue = { ...MATCH_ALL, queue: 'emails' };
const byJob = { ...MATCH_ALL, jobId: 'j1' };

describe('a filter', () => {
  it('matches everything when nothing is set', () => {
    for (const event of [created('j1'), heartbeat('w1', null), queueStats('q'), health, ping]) {
      expect(matchesFilter(MATCH_ALL, event)).toBe(true);
    }
  });

  it('matches a queue on job, worker and counter events', () => {
    for (const event of [
      created('j1'),
      registered('w1'),
      heartbeat('w', null),
      queueStats('emails'),
    ]) {
      expect(matchesFilter(byQueue, event)).toBe(true);
    }
    for (const event of [created('j1', 'sms'), registered('w1', 'sms'), queueStats('sms')]) {
      expect(matchesFilter(byQueue, event)).toBe(false);
    }
  });

  it('matches a job on its own events and on the heartbeat of the worker that has it', () => {
    expect(matchesFilter(byJob, created('j1'))).toBe(true);
    expect(matchesFilter(byJob, heartbeat('w1', 'j1'))).toBe(true);
    for (const event of [
      created('j2'),
      heartbeat('w1', 'j2'),
      heartbeat('w1', null),
      registered('w'),
      queueStats('emails'),
    ]) {
      expect(matchesFilter(byJob, event)).toBe(false);
    }
  });

  it('needs both when queue and job are set', () => {
    const both = { ...MATCH_ALL, queue: 'emails', jobId: 'j1' };
    expect(matchesFilter(both, created('j1'))).toBe(true);
    expect(matchesFilter(both, created('j1', 'sms'))).toBe(false);
    expect(matchesFilter(both, created('j2'))).toBe(false);
  });

  it('binds worker events, and only those, to a worker', () => {
    const byWorker = { ...MATCH_ALL, workerId: 'w1' };
    expect(matchesFilter(byWorker, registered('w1'))).toBe(true);
    expect(matchesFilter(byWorker, registered('w2'))).toBe(false);
    expect(matchesFilter(byWorker, created('j1'))).toBe(true);
  });

  it('lets health pass by queue and job but not by events, and ping by all', () => {
    const narrow = { queue: 'q', jobId: 'j', workerId: 'w', events: eventTags(['job.created']) };
    expect(matchesFilter({ ...narrow, events: null }, health)).toBe(true);
    expect(matchesFilter(narrow, health)).toBe(false);
    expect(matchesFilter(narrow, ping)).toBe(true);
  });
});

describe('event names', () => {
  it.each([
    ['job.created', 'JobCreated'],
    ['JOB.Created', 'JobCreated'],
    ['JobCreated', 'JobCreated'],
    ['job.status', 'JobStatusChange'],
    ['job.status_changed', 'JobStatusChange'],
    ['queue.stats', 'QueueStats'],
  ])('%s stands for %s', (name, tag) => {
    expect(eventTags([name])).toEqual(new Set([tag]));
  });

  it('mean everything when empty or with a star', () => {
    expect(eventTags([])).toBeNull();
    expect(eventTags([' ', ''])).toBeNull();
    expect(eventTags(['job.created', '*'])).toBeNull();
  });

  it('select nothing when unknown', () => {
    expect(eventTags(['job.paused'])).toEqual(new Set());
  });

  it('include what must be named only by its name, also beside a star', () => {
    expect(eventTags(['job.progress', 'JOBLOG'])).toEqual(new Set(['JobProgress', 'JobLog']));
    expect(eventTags(['queue.paused'])).toEqual(new Set(['QueuePaused']));
    const byDefault = (Object.keys(eventNames) as EventTag[]).filter(
      (tag) => !optInEvents.has(tag),
    );
    expect(eventTags(['*', 'job.log'])).toEqual(new Set([...byDefault, 'JobLog']));
  });

  it('make equal keys in any order', () => {
    const one = { ...MATCH_ALL, events: eventTags(['ping', 'error']) };
    const other = { ...MATCH_ALL, events: eventTags(['error', 'PING']) };
    expect(filterKey(one)).toBe(filterKey(other));
  });
});
