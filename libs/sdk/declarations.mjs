// The types of the published package. What is computed from the contracts is written out, so that whoever uses it needs
// neither them nor the schema library.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

import { routes } from './dist/routes.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const source = path.join(root, 'libs/sdk/src');
const routesFile = path.join(source, 'routes.ts');
const entries = ['index.ts', 'testing.ts'].map((name) => path.join(source, name));
const others = ['BulkItem', 'EventData', 'EventTag', 'StoredTag', 'ErrorCode', 'FieldProblem'];

/** @returns {Map<string, string>} texts by name, such as `index.d.ts`. @throws Error when one needs another package */
export function declarations() {
  const program = programWith(entries, routesFile, plainRoutes(), {
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: source,
    outDir: source,
  });
  const files = new Map();
  program.emit(undefined, (name, text) => files.set(path.relative(source, name), text));
  for (const [name, text] of files) {
    const [foreign] = /(from |import\()['"][^.].*/.exec(text) ?? [];
    if (foreign) throw new Error(`${name} needs another package: ${foreign}`);
  }
  return files;
}

/** The module of routes with every type written out. */
function plainRoutes() {
  const parts = ['Body', 'Query', 'Answer'];
  const wire = Object.entries(routes).map(([group, names]) => {
    const lines = Object.keys(names).map((name) => {
      const each = parts.map((part) => `${part}: ${part}<'${group}', '${name}'>`);
      return `${name}: { ${each.join('; ')} };`;
    });
    return `${group}: { ${lines.join('\n')} };`;
  });
  const probe = path.join(source, 'every-type.ts');
  const text = `import type { ${[...parts, ...others].join(', ')} } from './routes.js';
    export interface All {
      Wire: { ${wire.join('\n')} };
      ${others.map((name) => `${name}: ${name};`).join('\n')}
    }`;
  const program = programWith([probe], probe, text, { noEmit: true });
  const checker = program.getTypeChecker();
  const [all] = checker.getExportsOfModule(
    checker.getSymbolAtLocation(program.getSourceFile(probe)),
  );
  const types = checker
    .getPropertiesOfType(checker.getDeclaredTypeOfSymbol(all))
    .map(
      (each) => `export type ${each.name} = ${written(checker, checker.getTypeOfSymbol(each))};`,
    );
  const lookups = parts.map(
    (part) =>
      `export type ${part}<G extends keyof Wire, R extends keyof Wire[G]> = Wire[G][R] extends { ${part}: infer T } ? T : never;`,
  );
  return `${types.join('\n')}
    ${lookups.join('\n')}
    export type Routes = Wire;
    export declare const routes: Routes;`;
}

/** With one file that is not as it is on the disk. @throws Error with the compiler's complaints */
function programWith(files, virtualFile, text, options) {
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.base.json'), ts.sys.readFile);
  const base = ts.parseJsonConfigFileContent(config, ts.sys, root).options;
  const host = ts.createCompilerHost(base);
  const { getSourceFile, fileExists } = host;
  const isVirtual = (name) => path.resolve(name) === virtualFile;
  host.fileExists = (name) => isVirtual(name) || fileExists.call(host, name);
  host.getSourceFile = (name, languageVersion, ...rest) =>
    isVirtual(name)
      ? ts.createSourceFile(name, text, languageVersion, true)
      : getSourceFile.call(host, name, languageVersion, ...rest);
  const program = ts.createProgram(files, { ...base, noEmit: false, ...options }, host);
  const problems = ts.getPreEmitDiagnostics(program);
  if (problems.length > 0) throw new Error(ts.formatDiagnostics(problems, host));
  return program;
}

/** A type of JSON and dates as text, without any name that would have to be declared. */
function written(checker, type, depth = 0) {
  const inner = (each) => written(checker, each, depth + 1);
  const plain = () => checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation);
  if (depth > 20) throw new Error(`a type without an end: ${plain()}`);
  const { flags, symbol } = type;
  if (flags & ts.TypeFlags.Boolean) return 'boolean';
  if (type.isUnion()) return `(${type.types.map(inner).join(' | ')})`;
  if (type.isIntersection()) return `(${type.types.map(inner).join(' & ')})`;
  if (!(flags & ts.TypeFlags.Object)) return plain();
  if (symbol?.name === 'Date') return 'Date';
  if (checker.isTupleType(type)) return `[${checker.getTypeArguments(type).map(inner).join(', ')}]`;
  if (checker.isArrayLikeType(type)) {
    const [item] = checker.getTypeArguments(type);
    return `${symbol.name === 'ReadonlyArray' ? 'readonly ' : ''}(${inner(item)})[]`;
  }
  const fields = checker.getPropertiesOfType(type).map((property) => {
    const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
    return `${JSON.stringify(property.name)}${isOptional ? '?' : ''}: ${inner(checker.getTypeOfSymbol(property))}`;
  });
  const indexes = checker
    .getIndexInfosOfType(type)
    .map((info) => `[key: ${inner(info.keyType)}]: ${inner(info.type)}`);
  return `{ ${[...fields, ...indexes].join('; ')} }`;
}
