import { AppError, errorCatalogue, isErrorCode } from '@spooled/contracts';
import { z } from 'zod';
import { errorReply, isServerFault, parsePart } from './error-body.js';

describe('errorReply', () => {
  it('gives every code its status and a body with code and message', () => {
    for (const [code, { status, sentence }] of Object.entries(errorCatalogue)) {
      if (!isErrorCode(code)) throw new Error(code);
      expect(errorReply(new AppError(code))).toMatchObject({
        status,
        body: { code, message: sentence, error: expect.any(String) },
      });
    }
  });

  it('adds the further fields and the headers of an error', () => {
    const error = new AppError('RATE_LIMIT_EXCEEDED', 'Slow down.', {
      retryAfterSecs: 7,
      extra: { limit: 5 },
    });
    expect(errorReply(error)).toEqual({
      status: 429,
      headers: { 'retry-after': '7' },
      body: {
        code: 'RATE_LIMIT_EXCEEDED',
        error: 'rate_limit_exceeded',
        message: 'Slow down.',
        limit: 5,
      },
    });
    expect(errorReply(new AppError('SERVICE_UNAVAILABLE')).headers).toEqual({ 'retry-after': '1' });
    expect(errorReply(new AppError('UNAUTHORIZED')).headers).toHaveProperty('www-authenticate');
    expect(errorReply(new AppError('QUOTA_EXCEEDED')).headers).toEqual({});
  });

  it.each([
    new Error('select * from secret where password = 1'),
    Object.assign(new Error('x'), { code: '23505' }),
    'thrown text',
    undefined,
    null,
    42,
  ])('shows nothing of what it does not know: %p', (error) => {
    const reply = errorReply(error);
    expect(reply).toMatchObject({ status: 500, body: { code: 'INTERNAL_ERROR' } });
    expect(JSON.stringify(reply)).not.toMatch(/secret|23505|thrown text/);
    expect(isServerFault(error)).toBe(true);
  });

  it('knows whose fault it is', () => {
    for (const code of ['VALIDATION_ERROR', 'NOT_FOUND', 'SERVICE_UNAVAILABLE'] as const) {
      expect(isServerFault(new AppError(code))).toBe(false);
    }
    for (const code of ['INTERNAL_ERROR', 'DATABASE_ERROR'] as const) {
      expect(isServerFault(new AppError(code))).toBe(true);
    }
  });
});

describe('parsePart', () => {
  const schema = z.object({ a: z.int(), b: z.object({ c: z.string() }) });

  it('gives what it parsed, without unknown keys', () => {
    expect(parsePart(schema, { a: 1, b: { c: 'x', d: 1 }, e: 2 })).toEqual({ a: 1, b: { c: 'x' } });
  });

  it('names every refused field, the first one in the message', () => {
    const refused = (value: unknown) => {
      try {
        parsePart(schema, value);
      } catch (error) {
        return errorReply(error);
      }
      throw new Error('it was taken');
    };
    expect(refused({ a: 'x', b: {} })).toMatchObject({
      status: 400,
      body: {
        code: 'VALIDATION_ERROR',
        error: 'Validation failed',
        message: expect.stringMatching(/^a: /),
        details: [
          { field: 'a', message: expect.any(String), code: expect.any(String) },
          { field: 'b.c', message: expect.any(String), code: expect.any(String) },
        ],
      },
    });
    expect(refused(undefined)).toMatchObject({ body: { details: [{ field: 'body' }] } });
  });
});
