import { AssertionError, deepStrictEqual } from 'node:assert';

/** A promise cannot be checked here; no breach. */
export class Skip extends Error {}

/** @throws Error whose message says what was expected and what came. */
export function equal(actual, expected, what) {
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    throw new Error(`${what}: expected ${short(expected)}, got ${short(actual)}`);
  }
}

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

export function short(value) {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
