import type { DependencyMode, JobStatus } from '@spooled/contracts';
import { waitingOn } from './dependencies.js';

const live = null;
const rows: [DependencyMode, (JobStatus | null)[], ReturnType<typeof waitingOn>][] = [
  ['all', [], null],
  ['all', [live], 1],
  ['all', [live, live, live], 3],
  ['all', ['completed', live], 1],
  ['all', ['completed', 'completed'], null],
  ['all', ['completed', 'deadletter'], 'impossible'],
  ['all', [live, 'cancelled'], 'impossible'],
  ['all', ['failed'], 'impossible'],
  ['any', [], null],
  ['any', [live], 1],
  ['any', [live, live], 2],
  ['any', [live, 'deadletter'], 1],
  ['any', ['completed'], null],
  ['any', ['completed', live, 'cancelled'], null],
  ['any', ['completed', 'deadletter'], null],
  ['any', ['deadletter', 'cancelled', 'failed'], 'impossible'],
];
it.each(rows)('with %s of %j waits for %j', (mode, ended, waits) => {
  expect(
    waitingOn(
      mode,
      ended.map((status) => ({ ended: status })),
    ),
  ).toBe(waits);
});
