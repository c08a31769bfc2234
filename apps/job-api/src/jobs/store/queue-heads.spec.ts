import { jest } from '@jest/globals';
import type { WaitedFor, WorkSignal } from '../work-signal.js';
import { QueueHeads, START, type Place } from './queue-heads.js';

const ORGANIZATION = '00000000-0000-4000-8000-000000000001';
const QUEUE = { organizationId: ORGANIZATION, queueName: 'emails' };

/** A place by its priority and its turn. */
const at = (priority: number, turn: number): Place => ({
  priority,
  id: `00000000-0000-7000-8000-0000000000${String(turn).padStart(2, '0')}`,
});

class Heads {
  #tell: (queue: WaitedFor, isHere: boolean) => void = () => undefined;
  readonly heads = new QueueHeads({
    onReturned: (hear: (queue: WaitedFor, isHere: boolean) => void) => {
      this.#tell = hear;
    },
  } as WorkSignal);

  look(queueName = 'emails') {
    return this.heads.looks([{ ...QUEUE, queueName }])[0]!;
  }

  claimed(...places: Place[]): void {
    this.look().end(places);
  }

  added(place: Place): void {
    this.heads.added({ ...QUEUE, ...place });
  }

  returned(isHere: boolean): void {
    this.#tell(QUEUE, isHere);
  }

  get next(): Place {
    const look = this.look();
    look.end([]);
    return look.after;
  }
}

let heads: Heads;
beforeEach(() => {
  jest.useFakeTimers();
  heads = new Heads();
});
afterEach(() => jest.useRealTimers());

describe('the next look for jobs of a queue begins', () => {
  const stories: [where: string, story: () => void, expected: Place][] = [
    ['at the start of a queue nobody claimed from', () => undefined, START],
    ['behind what was claimed last', () => heads.claimed(at(0, 1), at(0, 2)), at(0, 2)],
    [
      'behind the lowest priority that was claimed',
      () => heads.claimed(at(5, 9), at(0, 2)),
      at(0, 2),
    ],
    [
      'where it did when a slower claim of earlier jobs comes in',
      () => {
        const slow = heads.look();
        heads.claimed(at(0, 3));
        slow.end([at(0, 1)]);
      },
      at(0, 3),
    ],
    [
      'behind it still when a younger job is made',
      () => {
        heads.claimed(at(0, 1));
        heads.added(at(0, 2));
        heads.added(at(-5, 3));
      },
      at(0, 1),
    ],
    [
      'at the start when a job of higher priority is made',
      () => {
        heads.claimed(at(0, 1));
        heads.added(at(1, 2));
      },
      START,
    ],
    [
      'at the start when an older job is committed late',
      () => {
        heads.claimed(at(0, 2));
        heads.added(at(0, 1));
      },
      START,
    ],
    [
      'before a job that was made while the look was under way',
      () => {
        const look = heads.look();
        heads.added(at(0, 2));
        look.end([at(0, 1), at(0, 3)]);
      },
      at(0, 1),
    ],
    [
      'behind a job that was made and claimed by one commit',
      () => {
        const look = heads.look();
        heads.added(at(0, 1));
        look.end([at(0, 1)]);
      },
      at(0, 1),
    ],
    [
      'at the start when a job came back',
      () => {
        heads.claimed(at(0, 1));
        heads.returned(true);
      },
      START,
    ],
    [
      'at the start when a job came back while a look was under way',
      () => {
        const look = heads.look();
        heads.returned(true);
        look.end([at(0, 1)]);
      },
      START,
    ],
    [
      'at the start when a look has missed a job',
      () => {
        heads.claimed(at(0, 2));
        const look = heads.look();
        look.wasWrong();
        look.end([at(0, 1)]);
      },
      START,
    ],
    [
      'behind it still right after another instance announced jobs',
      () => {
        heads.claimed(at(0, 1));
        heads.returned(false);
      },
      at(0, 1),
    ],
    [
      'at the start a quarter of a second after that',
      () => {
        heads.claimed(at(0, 1));
        heads.returned(false);
        jest.advanceTimersByTime(250);
      },
      START,
    ],
    [
      'at the start once a second, whatever happened',
      () => {
        heads.claimed(at(0, 1));
        jest.advanceTimersByTime(1000);
      },
      START,
    ],
  ];
  it.each(stories)('%s', (_, story, expected) => {
    story();
    expect(heads.next).toEqual(expected);
  });
});

it('calls of one queue share a look, queues do not', () => {
  const [first, second, other] = heads.heads.looks([QUEUE, QUEUE, { ...QUEUE, queueName: 'sms' }]);
  expect(second).toBe(first);
  expect(other).not.toBe(first);
  heads.claimed(at(0, 1));
  expect(heads.look('sms').after).toBe(START);
});

it('says whether a look begins at the start', () => {
  expect(heads.look().isPartial).toBe(false);
  heads.claimed(at(0, 1));
  expect(heads.look().isPartial).toBe(true);
});
