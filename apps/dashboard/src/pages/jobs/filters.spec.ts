import { readFilters, toQuery, writeFilters } from './filters.js';

const read = (search: string) => readFilters(new URLSearchParams(search));

it('are in the URL, where pages count from 1', () => {
  const search = 'q=ada&queue=emails&tag=red&status=pending%2Ccompleted&page=3';
  expect(writeFilters(read(search)).toString()).toBe(search);
  expect(toQuery(read(search))).toMatchObject({ q: 'ada', limit: 51, offset: 100 });
  expect(writeFilters(read('page=1')).toString()).toBe('');
});

it.each(['', 'page=0', 'page=-2', 'page=1.5', 'page=x'])(
  'begin on the first page with %j',
  (search) => {
    expect(read(search)).toMatchObject({ page: 1 });
    expect(toQuery(read(search))).toMatchObject({ offset: 0 });
  },
);
