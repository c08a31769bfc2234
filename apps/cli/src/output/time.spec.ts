import { duration, durationMs, instantOf, relativeTime } from './time.js';

const now = Date.parse('2026-05-04T03:02:01Z');
const after = (ms: number) => new Date(now + ms).toISOString();

it.each([
  [0, '0ms'],
  [999, '999ms'],
  [61_000, '1m 1s'],
  [3_600_000, '1h'],
  [90_061_000, '1d 1h'],
])('%i ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

it('tells times from here', () => {
  expect(relativeTime(after(-180_000), now)).toBe('3m ago');
  expect(relativeTime(after(7_500_000), now)).toBe('in 2h 5m');
  expect(relativeTime(after(400), now)).toBe('now');
  expect(relativeTime(null, now)).toBe('-');
});

it('takes times as they are, or from now', () => {
  expect(instantOf('2h', 'ahead', now).toISOString()).toBe(after(7_200_000));
  expect(instantOf('7d', 'ago', now).toISOString()).toBe(after(-7 * 86_400_000));
  expect(instantOf('2030-01-02T03:04:05Z', 'ago').toISOString()).toBe('2030-01-02T03:04:05.000Z');
  expect(durationMs('1.5s')).toBe(1500);
});

it.each(['', 'soon', '5', '5 m', '-5m', 'm'])('refuses %j', (text) => {
  expect(() => instantOf(text, 'ahead')).toThrow(/is no time/);
  expect(() => durationMs(text)).toThrow(/is no duration/);
});
