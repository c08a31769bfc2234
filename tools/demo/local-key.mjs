/** The server that the demo and the pictures use: SPOOLED_URL with SPOOLED_API_KEY, otherwise that of `npm start` beside them. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';

export const baseUrl = process.env.SPOOLED_URL ?? `http://localhost:${process.env.PORT ?? 8080}`;

/** Given, or left by `npm start` for programs of the same user. */
export async function apiKey() {
  if (process.env.SPOOLED_API_KEY) return process.env.SPOOLED_API_KEY;
  const file = path.join(process.env.SPOOLED_DATA_DIR ?? '.spooled', 'demo-key');
  const key = await readFile(file, 'utf8').catch(() => {
    throw new Error(
      `Give SPOOLED_API_KEY (and SPOOLED_URL): there is no key of a local server in ${file}.`,
    );
  });
  return key.trim();
}
