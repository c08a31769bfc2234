import type { WorkflowJobRequest } from '@spooled/contracts';
import fc from 'fast-check';
import { graphProblem } from './graph.js';

/** Jobs written as `a`, `b<a`, `c<a,b`: key, then what it depends on. */
function graph(...jobs: string[]): WorkflowJobRequest[] {
  return jobs.map((text) => {
    const [key = '', parents] = text.split('<');
    const depends_on = parents?.split(',');
    return { key, queue_name: 'q', payload: {}, priority: 0, depends_on };
  });
}

const sound: [name: string, jobs: string[]][] = [
  ['one job', ['a']],
  ['jobs without dependencies', ['a', 'b']],
  ['a chain', ['a', 'b<a', 'c<b']],
  ['a diamond', ['a', 'b<a', 'c<a', 'd<b,c']],
  ['a child that is listed before its parent', ['b<a', 'a']],
  ['a dependency that is named twice', ['a', 'b<a,a']],
  ['keys that are names of object members', ['constructor', '__proto__<constructor']],
];
it.each(sound)('has no objection to %s', (_, jobs) => {
  expect(graphProblem(graph(...jobs))).toBeNull();
});

const broken: [name: string, jobs: string[], says: string][] = [
  ['a key that is used twice', ['a', 'b', 'a'], 'the key a is used twice'],
  ['a job that depends on itself', ['a<a'], 'a depends on itself'],
  ['an unknown dependency', ['a', 'b<c'], 'b depends on c'],
  ['an empty key as dependency', ['a', 'b<'], 'b depends on '],
  ['a ring of two', ['a<b', 'b<a'], 'a, b'],
  ['a ring of three behind a sound part', ['x', 'a<c,x', 'b<a', 'c<b'], 'a, b, c'],
  ['what hangs on a ring', ['a<b', 'b<a', 'c<b'], 'a, b, c'],
];
it.each(broken)('refuses %s', (_, jobs, says) => {
  const problem = graphProblem(graph(...jobs));
  expect(problem).toMatchObject({ code: 'VALIDATION_ERROR' });
  expect(problem!.message).toContain(says);
});

const edges = fc.integer({ min: 2, max: 30 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    // Parents have smaller numbers: whatever is drawn, there is no ring.
    pairs: fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 80 }),
    order: fc.shuffledSubarray(
      Array.from({ length: size }, (_, n) => n),
      { minLength: size },
    ),
  }),
);

function jobsOf(size: number, pairs: readonly (readonly [child: number, parent: number])[]) {
  return Array.from({ length: size }, (_, n) => {
    const parents = pairs.filter(([child]) => child === n).map(([, parent]) => `k${parent}`);
    return graph(parents.length === 0 ? `k${n}` : `k${n}<${parents.join(',')}`)[0]!;
  });
}

it('takes every graph without a ring, in any order of its jobs', () => {
  fc.assert(
    fc.property(edges, ({ size, pairs, order }) => {
      const downwards = pairs
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => [Math.max(a, b), Math.min(a, b)] as const);
      const jobs = jobsOf(size, downwards);
      expect(graphProblem(order.map((n) => jobs[n]!))).toBeNull();
    }),
  );
});

it('finds the ring that one edge closes', () => {
  fc.assert(
    fc.property(edges, ({ size, pairs, order }) => {
      const chain = Array.from({ length: size - 1 }, (_, n) => [n + 1, n] as const);
      const downwards = pairs
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => [Math.max(a, b), Math.min(a, b)] as const);
      const jobs = jobsOf(size, [...chain, ...downwards, [0, size - 1]]);
      expect(graphProblem(order.map((n) => jobs[n]!))?.code).toBe('VALIDATION_ERROR');
    }),
  );
});
