// Compiles one project's src/, or the folder that is named, to dist/ with swc, file by file: `node tools/build.mjs libs/contracts`.
// Type checking is a separate step (`npm run typecheck`); this one only has to be quick.
import { transformFile } from '@swc/core';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

const [project, folder = 'src'] = process.argv.slice(2);
if (project === undefined)
  throw new Error('usage: node tools/build.mjs <project directory> [folder]');
const source = path.join(project, folder);
const target = path.join(project, 'dist');

await rm(target, { recursive: true, force: true });
const entries = await readdir(source, { recursive: true, withFileTypes: true });
await Promise.all(
  entries
    .filter((entry) => entry.isFile() && !/\.(spec|bench)\.ts$/.test(entry.name))
    .map(async (entry) => {
      const file = path.join(entry.parentPath, entry.name);
      const output = path.join(target, path.relative(source, file));
      await mkdir(path.dirname(output), { recursive: true });
      if (!file.endsWith('.ts')) return cp(file, output);
      const { code, map } = await transformFile(file, { sourceFileName: path.resolve(file) });
      const name = output.replace(/\.ts$/, '.js');
      await writeFile(name, `${code}\n//# sourceMappingURL=${path.basename(name)}.map\n`);
      await writeFile(`${name}.map`, map ?? '');
    }),
);
