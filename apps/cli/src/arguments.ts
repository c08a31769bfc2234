/** How arguments are read. */
import { parseJson } from '@spooled/contracts';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

import { usageError } from './exit-code.js';

/** JSON as it is, `@file`, or `-` for stdin. Numbers keep all their digits. @throws CliError when it is no JSON. */
export async function jsonArgument(given: string): Promise<unknown> {
  const source = await sourceOf(given);
  try {
    return parseJson(source);
  } catch (error) {
    throw usageError(`This is no JSON (${(error as Error).message}): ${source.slice(0, 80)}`);
  }
}

async function sourceOf(given: string): Promise<string> {
  if (given === '-') return text(process.stdin);
  if (!given.startsWith('@')) return given;
  try {
    return readFileSync(given.slice(1), 'utf8');
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

export function integer(given: string): number {
  if (!/^[+-]?\d+$/.test(given)) throw usageError(`${given} is no whole number.`);
  return Number(given);
}

/** `a,b` and repetitions of the option alike. */
export function listed(given: string, before: readonly string[] = []): string[] {
  return [...before, ...given.split(',').map((each) => each.trim())].filter((each) => each !== '');
}
