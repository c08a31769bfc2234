import { Lanes, type DueLane } from './lanes.js';

const lane = (name: string): DueLane => ({ organization_id: 'o', lane: name });
const shares = (lanes: Lanes, ...names: string[]): Record<string, number> =>
  Object.fromEntries(lanes.rooms(names.map(lane)).map(({ lane: due, room }) => [due.lane, room]));
const begin = (lanes: Lanes, name: string, count: number): void => {
  for (let index = 0; index < count; index += 1) lanes.began(name);
};

describe('the requests to an endpoint', () => {
  it('are two at first, and twice as many with each success, up to 32', () => {
    const lanes = new Lanes(1000);
    const seen = [];
    for (let count = 0; count < 6; count += 1) {
      seen.push(shares(lanes, 'a')['a']);
      lanes.began('a');
      lanes.ended('a', true);
    }
    expect(seen).toEqual([2, 4, 8, 16, 32, 32]);
  });

  it('are one after a failure', () => {
    const lanes = new Lanes(1000);
    begin(lanes, 'a', 2);
    lanes.ended('a', true);
    lanes.ended('a', false);
    expect(shares(lanes, 'a')).toEqual({ a: 1 });
    lanes.began('a');
    expect(shares(lanes, 'a')).toEqual({});
    lanes.ended('a', true);
    expect(shares(lanes, 'a')).toEqual({ a: 2 });
  });

  it('are no more than are free', () => {
    const lanes = new Lanes(5);
    begin(lanes, 'a', 2);
    expect(lanes.inFlight).toBe(2);
    expect(Object.values(shares(lanes, 'b', 'c')).sort()).toEqual([1, 2]);
    begin(lanes, 'b', 3);
    expect(shares(lanes, 'c', 'd')).toEqual({});
  });

  it('of endpoints that fail never take more than half of the places', () => {
    const lanes = new Lanes(10);
    const failing = Array.from({ length: 20 }, (_, index) => `failing-${index}`);
    for (const name of failing) {
      lanes.began(name);
      lanes.ended(name, false);
    }
    const first = shares(lanes, ...failing);
    expect(Object.values(first)).toEqual([1, 1, 1, 1, 1]);
    for (const name of Object.keys(first)) lanes.began(name);
    expect(shares(lanes, ...failing, 'good')).toEqual({ good: 2 });
    // One recovers, and its place counts no more.
    const [recovered, hanging] = Object.keys(first);
    lanes.ended(recovered!, true);
    expect(shares(lanes, hanging!, recovered!)).toEqual({ [recovered!]: 2 });
    expect(Object.values(shares(lanes, ...failing)).reduce((a, b) => a + b)).toBe(3);
  });

  it('begin with another endpoint each time', () => {
    const lanes = new Lanes(2);
    const firsts = [1, 2, 3].map(() => Object.keys(shares(lanes, 'a', 'b', 'c'))[0]);
    expect(new Set(firsts).size).toBe(3);
  });
});
