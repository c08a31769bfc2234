import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface Statement {
  readonly name: string;
  readonly text: string;
}

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** Of what rooms tell them: the function itself, and the one class, whose statements rooms export. */
const MAKERS_OF_STATEMENTS = [
  'libs/platform/postgres/src/statement.ts',
  'libs/platform/postgres/src/organization-rows.ts',
];

/** What a `*.sql.ts` exports: statements, alone or in objects and lists, and functions, which make them or parts of them. */
export interface Found {
  readonly statements: readonly Statement[];
  readonly functions: ReadonlyMap<string, (...args: never) => unknown>;
  /** Other files that make statements. */
  readonly elsewhere: readonly string[];
}

/** Looks through every `*.sql.ts` of the repository, so that no statement is forgotten. */
export async function findStatements(): Promise<Found> {
  const statements: Statement[] = [];
  const functions = new Map<string, (...args: never) => unknown>();
  const visit = (name: string, value: unknown): void => {
    if (typeof value === 'function') functions.set(name, value as () => unknown);
    else if (isStatement(value)) statements.push(value);
    else if (typeof value === 'object' && value !== null)
      for (const [key, each] of Object.entries(value)) visit(`${name}.${key}`, each);
  };
  const files = globSync(['apps/*/src/**/*.ts', 'libs/platform/*/src/**/*.ts'], { cwd: root });
  const elsewhere = files.filter((file) => {
    if (/\.(sql|spec)\.ts$/.test(file) || MAKERS_OF_STATEMENTS.includes(file)) return false;
    return /\bsql\(/.test(readFileSync(path.join(root, file), 'utf8'));
  });
  for (const file of files.filter((each) => each.endsWith('.sql.ts'))) {
    const exported = (await import(pathToFileURL(path.join(root, file)).href)) as object;
    for (const [name, value] of Object.entries(exported))
      visit(`${path.basename(file, '.sql.ts')} ${name}`, value);
  }
  return { statements, functions, elsewhere };
}

function isStatement(value: unknown): value is Statement {
  const { name, text } = (value ?? {}) as Partial<Statement>;
  return typeof name === 'string' && typeof text === 'string';
}
