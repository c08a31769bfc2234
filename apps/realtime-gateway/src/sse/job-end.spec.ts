import { changed, completed, created, failed } from '../../test/fixtures.js';
import { endOf, isTerminal } from './job-end.js';

describe('the end of a job', () => {
  it('is said by its outcome, or by its cancellation', () => {
    expect(endOf(completed('j'))).toBe('end');
    expect(endOf(failed('j', false))).toBe('end');
    expect(endOf(changed('j', 'cancelled'))).toBe('end');
  });

  it('is near when the status is terminal and an outcome may follow', () => {
    expect(endOf(changed('j', 'completed'))).toBe('ending');
    expect(endOf(changed('j', 'deadletter'))).toBe('ending');
  });

  it('is not a retry', () => {
    expect(endOf(failed('j', true))).toBeUndefined();
    expect(endOf(changed('j', 'pending'))).toBeUndefined();
    expect(endOf(created('j'))).toBeUndefined();
    expect(isTerminal('processing')).toBe(false);
  });
});
