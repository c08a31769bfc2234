import { readFileSync } from 'node:fs';
import { AppError, errorCatalogue, isErrorCode } from './errors.js';
import { errorsPage } from './errors-page.js';

/** Names of the gRPC status codes. Source: https://grpc.io/docs/guides/status-codes/ */
const GRPC_CODES = [
  'CANCELLED',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'UNAUTHENTICATED',
];

describe('the error catalogue', () => {
  it('is what docs/errors.md says (node tools/generate-docs.mjs)', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    expect(page).toBe(errorsPage());
  });

  it.each(Object.entries(errorCatalogue))('%s is complete', (code, definition) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(definition.status).toBeGreaterThanOrEqual(400);
    expect(definition.status).toBeLessThanOrEqual(503);
    expect(GRPC_CODES).toContain(definition.grpc);
    expect(definition.sentence).toMatch(/^[A-Z].*\.$/);
  });

  it.each(['toString', 'constructor', '__proto__', '', 404, null, undefined])(
    'does not know %p',
    (code) => {
      expect(isErrorCode(code)).toBe(false);
    },
  );
});

describe('an AppError', () => {
  it('says the sentence of its code unless told otherwise, and keeps its cause', () => {
    const cause = new Error('why');
    expect(new AppError('NOT_FOUND').message).toBe(errorCatalogue.NOT_FOUND.sentence);
    expect(new AppError('NOT_FOUND', 'No such job.', { cause })).toMatchObject({
      name: 'AppError',
      code: 'NOT_FOUND',
      message: 'No such job.',
      cause,
    });
  });

  it('names a refused field in its message and details', () => {
    expect(AppError.invalid('limit', 'too large', 'too_big')).toMatchObject({
      code: 'VALIDATION_ERROR',
      message: 'limit: too large',
      details: [{ field: 'limit', message: 'too large', code: 'too_big' }],
    });
  });
});
