import { jest } from '@jest/globals';
import type { StoredEvent } from '@spooled/contracts';
import { LogPages, type LogPage } from './log-pages.js';

function page(first: number, last: number, error = ''): LogPage {
  const event = { type: 'JobFailed', data: { error } } as StoredEvent;
  const events = Array.from({ length: last - first + 1 }, (_, index) => ({
    seq: first + index,
    event,
  }));
  return { events, oldest: 1 };
}

const never = (): Promise<LogPage> => Promise.reject(new Error('asked'));

/** Pages, and questions that are answered by hand and kept. */
function setup() {
  const pages = new LogPages();
  const answers = new Map<number, (page: LogPage) => void>();
  const failures = new Map<number, (error: Error) => void>();
  const read = (seq: number): Promise<LogPage> =>
    pages.after(seq, async () => {
      const given = await new Promise<LogPage>((resolve, reject) => {
        answers.set(seq, resolve);
        failures.set(seq, reject);
      });
      pages.keep(given);
      return given;
    });
  return { pages, answers, failures, read };
}

describe('pages of the log', () => {
  it('are asked for once by all who read from the same place, or a little after it', async () => {
    const { answers, read } = setup();
    const readers = [read(10), read(10), read(15), read(29)];
    expect([...answers.keys()]).toEqual([10]);
    const answer = page(11, 30);
    answers.get(10)!(answer);
    expect(await Promise.all(readers)).toEqual([answer, answer, answer, answer]);
  });

  it('are asked for again by who reads before, or beyond what the answer brings', async () => {
    const { answers, read } = setup();
    const readers = [read(10), read(9), read(20), read(20), read(2000)];
    expect([...answers.keys()]).toEqual([10, 9, 2000]);
    answers.get(10)!(page(11, 20));
    answers.get(9)!(page(10, 20));
    await Promise.all(readers.slice(0, 2));
    await new Promise(setImmediate);
    answers.get(20)!(page(21, 22));
    answers.get(2000)!(page(2001, 2002));
    expect((await Promise.all(readers)).map(({ events }) => events[0]!.seq)).toEqual([
      11, 10, 21, 21, 2001,
    ]);
  });

  it('fail together, and are asked for anew afterwards', async () => {
    const { answers, failures, read } = setup();
    const readers = [read(10), read(10), read(12)];
    failures.get(10)!(new Error('away'));
    for (const { status } of await Promise.allSettled(readers)) expect(status).toBe('rejected');
    const again = read(10);
    answers.get(10)!(page(11, 12));
    expect((await again).events).toHaveLength(2);
  });

  it('are remembered for a while, the newest few megabytes of them', async () => {
    jest.useFakeTimers();
    const pages = new LogPages();
    const large = 'x'.repeat(10_000);
    for (let first = 1; first <= 1000; first += 100) pages.keep(page(first, first + 99, large));
    expect((await pages.after(950, never)).events[0]!.seq).toBe(901);
    await expect(pages.after(0, never)).rejects.toThrow('asked');
    jest.advanceTimersByTime(60_000);
    await expect(pages.after(950, never)).rejects.toThrow('asked');
    jest.useRealTimers();
  });
});
