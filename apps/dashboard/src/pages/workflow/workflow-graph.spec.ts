import { placesOf } from './workflow-graph.js';

/** Jobs written as `a`, `c<a,b`: id, then what it waits for. */
function graph(...texts: string[]) {
  const parsed = texts.map((text) => text.split('<') as [id: string, parents?: string]);
  const jobs = parsed.map(([id]) => ({
    id,
    key: id,
    queue: 'q',
    status: 'pending' as const,
    errorText: null,
    percent: null,
  }));
  const dependencies = parsed.flatMap(([childJobId, parents]) =>
    (parents?.split(',') ?? []).map((parentJobId) => ({
      parentJobId,
      childJobId,
      dependencyType: 'success' as const,
    })),
  );
  return { jobs, dependencies };
}
const written = (...texts: string[]) =>
  [...placesOf(graph(...texts))].map(([id, { column, row }]) => `${id}:${column},${row}`).sort();

it('puts a job after all that it waits for, however long the way', () => {
  expect(written('a', 'b<a', 'c<b,a')).toEqual(['a:0,0', 'b:1,0', 'c:2,0']);
});

it('knows children that are listed before their parents', () => {
  expect(written('b<a', 'a')).toEqual(['a:0,0', 'b:1,0']);
});

it('puts what waits for the upper job above what waits for the lower one', () => {
  expect(written('a', 'b', 'y<b', 'x<a')).toEqual(['a:0,0', 'b:0,1', 'x:1,0', 'y:1,1']);
});

it('has a place for a job that waits for one of another workflow', () => {
  expect(written('a<elsewhere')).toEqual(['a:0,0']);
});
