import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file of the dashboard, as it is sent. */
export interface BuiltFile {
  readonly type: string;
  readonly body: Buffer;
  /** Undefined where it would not be smaller. */
  readonly gzipped: Buffer | undefined;
  readonly etag: string;
  /** Its name holds a hash of what is in it, so it never changes. */
  readonly isImmutable: boolean;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

const compressed = promisify(gzip);

/** All files below `directory` by their paths in a URL: `/index.html`. They are few and small, so they stay in memory. */
export async function readBuiltFiles(directory: string): Promise<ReadonlyMap<string, BuiltFile>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const file = path.join(entry.parentPath, entry.name);
        const url = `/${path.relative(directory, file).split(path.sep).join('/')}`;
        return [url, await builtFile(url, await readFile(file))] as const;
      }),
  );
  return new Map(files);
}

async function builtFile(url: string, body: Buffer): Promise<BuiltFile> {
  const gzipped = await compressed(body, { level: 9 });
  return {
    type: types[path.extname(url)] ?? 'application/octet-stream',
    body,
    gzipped: gzipped.length < body.length ? gzipped : undefined,
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`,
    isImmutable: url.startsWith('/assets/'),
  };
}
