/**
 * What an image of an app holds, and the list of it: `npm run build && node tools/image.mjs <app> <empty directory>`.
 * The app, the libraries and the npm packages that its code names, nothing else; sbom.cdx.json (CycloneDX) says which.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

import { root } from './run/child.mjs';

const [app, target] = process.argv.slice(2);
if (!app || !target || !existsSync(path.join(root, 'apps', app, 'dist'))) {
  console.error('usage: node tools/image.mjs <folder of apps/ that is built> <empty directory>');
  process.exit(2);
}

/** Not run: sources, tests, and what is said to people. */
const isLeftOut = (file) => /\/(src|server|public|test|README\.md|\.nx)$/.test(file);

const readJson = (...parts) => JSON.parse(readFileSync(path.join(root, ...parts), 'utf8'));
const { dependencies, version } = readJson('package.json');
const workspaces = new Map(
  workspaceDirectories().map((each) => [readJson(each, 'package.json').name, each]),
);

const migration = 'docker/migrate.mjs';
const own = reachedWorkspaces();
const packages = reachedPackages();
assemble();
writeFileSync(path.join(target, 'sbom.cdx.json'), `${JSON.stringify(bill(), undefined, 1)}\n`);
console.log(`${app}: ${own.size} of ours, ${packages.size} packages`);

function workspaceDirectories() {
  return ['apps', 'libs', 'libs/platform']
    .flatMap((parent) => readdirSync(path.join(root, parent)).map((name) => `${parent}/${name}`))
    .filter((directory) => existsSync(path.join(root, directory, 'package.json')));
}

/** The app, and whatever of ours is named by code that is reached. */
function reachedWorkspaces() {
  const found = new Set();
  const visit = (directory) => {
    if (found.has(directory)) return;
    found.add(directory);
    const code = codeOf(directory);
    for (const [name, each] of workspaces) if (names(code, name)) visit(each);
  };
  visit(`apps/${app}`);
  if (hasMigrations(found)) {
    const code = readFileSync(path.join(root, migration), 'utf8');
    for (const [name, each] of workspaces) if (names(code, name)) visit(each);
  }
  return found;
}

function hasMigrations(directories) {
  return [...directories].some((each) => existsSync(path.join(root, each, 'dist/migrations')));
}

function codeOf(directory) {
  const dist = path.join(root, directory, 'dist');
  if (!existsSync(dist)) return '';
  // What a browser runs has its packages in it.
  const isRunHere = (file) => /\.c?js$/.test(file) && !file.startsWith('page/');
  return readdirSync(dist, { recursive: true })
    .filter(isRunHere)
    .map((file) => readFileSync(path.join(dist, file), 'utf8'))
    .join('\n');
}

/** Anything in quotes that is the package or a path in it: imports, requires, and paths that are resolved. */
function names(code, name) {
  return ["'", '"', '`'].some(
    (quote) => code.includes(quote + name + quote) || code.includes(`${quote}${name}/`),
  );
}

/** Directories below the root of the packages that are reached, through those that they need. */
function reachedPackages() {
  const found = new Set();
  const visit = (name, from) => {
    const directory = resolvePackage(name, from);
    // Optional ones may be for another platform.
    if (directory === undefined || found.has(directory)) return;
    found.add(directory);
    const needed = readJson(directory, 'package.json');
    const isOptional = (peer) => needed.peerDependenciesMeta?.[peer]?.optional;
    const peers = Object.keys(needed.peerDependencies ?? {}).filter((each) => !isOptional(each));
    const others = { ...needed.dependencies, ...needed.optionalDependencies };
    for (const each of [...Object.keys(others), ...peers]) visit(each, directory);
  };
  const code = [...own].map(codeOf).join('\n');
  for (const name of Object.keys(dependencies)) if (names(code, name)) visit(name, '');
  return found;
}

/** As Node looks: in the package's own node_modules, then in those above. */
function resolvePackage(name, from) {
  for (let at = from; ; at = path.dirname(at)) {
    const directory = path.join(at === '.' ? '' : at, 'node_modules', name);
    if (existsSync(path.join(root, directory, 'package.json'))) return directory;
    if (at === '.' || at === '') return undefined;
  }
}

function assemble() {
  mkdirSync(path.join(target, 'node_modules/@spooled'), { recursive: true });
  const copy = (from, filter) =>
    cpSync(path.join(root, from), path.join(target, from), {
      recursive: true,
      filter,
      verbatimSymlinks: true,
    });
  for (const directory of own) {
    copy(directory, (file) => !isLeftOut(file));
    const { name } = readJson(directory, 'package.json');
    copy(`node_modules/${name}`);
  }
  // Those nested in another come with it only when they are reached themselves.
  for (const directory of packages) {
    const nested = path.join(root, directory, 'node_modules');
    copy(directory, (file) => file !== nested);
  }
  if (hasMigrations(own)) {
    cpSync(path.join(root, migration), path.join(target, path.basename(migration)));
  }
  const scripts = { name: 'spooled', version, private: true, type: 'module' };
  writeFileSync(path.join(target, 'package.json'), `${JSON.stringify(scripts)}\n`);
  writeFileSync(path.join(target, 'main.js'), `await import('./apps/${app}/dist/main.js');\n`);
}

/** CycloneDX 1.6, from what package-lock.json knows of the packages that were copied. */
function bill() {
  const { packages: locked } = readJson('package-lock.json');
  const components = [...packages].sort().map((directory) => {
    const name = directory.slice(directory.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const { version: exact, license, integrity } = locked[directory];
    const purl = `pkg:npm/${name.replace('@', '%40')}@${exact}`;
    return {
      type: 'library',
      'bom-ref': directory,
      name,
      version: exact,
      purl,
      ...(license && { licenses: [{ expression: license }] }),
      ...(integrity && { hashes: [hashOf(integrity)] }),
    };
  });
  const component = { type: 'application', name: `spooled-${app}`, version };
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component },
    components,
  };
}

/** As npm writes it, `sha512-<base64>`, to hexadecimal digits. */
function hashOf(integrity) {
  const [, bits, digest] = /^sha(\d+)-(\S+)/.exec(integrity);
  return { alg: `SHA-${bits}`, content: Buffer.from(digest, 'base64').toString('hex') };
}
