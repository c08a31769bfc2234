import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** What a page that uses everything loads. */
function browserBundle(): string {
  const args = ['--bundle', '--minify', '--format=esm', '--platform=browser', '--target=es2022'];
  const entry = 'libs/sdk/src/index.ts';
  const options = { cwd: root, maxBuffer: 10_000_000, encoding: 'utf8' } as const;
  return execFileSync('node_modules/.bin/esbuild', [...args, entry, '--log-level=error'], options);
}

it('is at most 20 KB for a browser, without schemas and without Node', () => {
  const bundle = browserBundle();
  expect(gzipSync(bundle).length).toBeLessThan(20_000);
  expect(bundle).not.toContain('ZodError');
  expect(bundle).not.toMatch(/\b(require|from|import)\s*\(?["']/);
});
