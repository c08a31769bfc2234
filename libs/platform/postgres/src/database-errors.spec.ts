import { AppError } from '@spooled/contracts';

import { sqlState } from './database-errors.js';

describe('sqlState', () => {
  it.each(['23505', '0A000', '2F002', 'P0001', 'XX001', 'HV00A'])('reads %s', (code) => {
    expect(sqlState({ code })).toBe(code);
    expect(sqlState(new AppError('DATABASE_ERROR', undefined, { cause: { code } }))).toBe(code);
  });

  it.each(['EPIPE', 'ECONNRESET', '', undefined, 23505])('takes %p for no SQLSTATE', (code) => {
    expect(sqlState({ code })).toBeUndefined();
  });
});
