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

/** Text as it is, `@file`, or `-` for stdin, so that a secret need not be among the arguments, which others may see. */
export async function textArgument(given: string): Promise<string> {
  return (await sourceOf(given)).replace(/\r?\n$/, '');
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

/** A whole number, or `none`, which takes a limit away. Not for commander, which makes text of null. */
export function integerOrNone(given: string | undefined): number | null | undefined {
  if (given === undefined) return undefined;
  return given === 'none' ? null : integer(given);
}

/** `a,b` and repetitions of the option alike. */
export function listed(given: string, before: readonly string[] = []): string[] {
  return [...before, ...given.split(',').map((each) => each.trim())].filter((each) => each !== '');
}

/** The same, of known names only. */
export function listedOf<Name extends string>(names: readonly Name[]) {
  return (given: string, before: readonly Name[] = []): Name[] =>
    listed(given, before).map((each) => {
      const known = names.find((name) => name === each);
      if (known === undefined) throw usageError(`${each} is none of ${names.join(', ')}.`);
      return known;
    });
}
