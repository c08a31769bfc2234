import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The secret in `<dataDirectory>/<name>`, made up and stored for this user's eyes (0600) the first time. */
export async function keptSecret(dataDirectory: string, name: string): Promise<string> {
  const file = join(dataDirectory, name);
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept) return kept.trim();
  const secret = randomBytes(32).toString('hex');
  await keep(file, secret);
  return secret;
}

/** Writes a file for this user's eyes only. */
export async function keep(file: string, secret: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${secret}\n`, { mode: 0o600 });
}
