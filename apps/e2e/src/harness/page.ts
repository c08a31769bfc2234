/** Programs and lines of a page of documentation, as a reader takes them: exactly as printed. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { onCleanUp, spawnProcess, type SpawnedProcess } from '@spooled/testing';

import { root } from './host.js';

/** `docs/<name>.md` */
export class Page {
  readonly #text: string;
  readonly #directory: string;

  constructor(name: string) {
    this.#text = readFileSync(path.join(root, 'docs', `${name}.md`), 'utf8');
    this.#directory = mkdtempSync(path.join(tmpdir(), 'spooled-page-'));
    onCleanUp(() => rmSync(this.#directory, { recursive: true, force: true }));
    // What the page says to have: the definitions and the packages.
    symlinkSync(path.join(root, 'libs/contracts/proto'), path.join(this.#directory, 'proto'));
    symlinkSync(path.join(root, 'node_modules'), path.join(this.#directory, 'node_modules'));
    for (const [, program = ''] of this.#text.matchAll(/```js\n(.*?)```/gs)) {
      const [, file = ''] = /^\/\/ (\w+\.mjs)/.exec(program) ?? [];
      if (file === '') throw new Error(`a program of docs/${name}.md does not begin with its name`);
      writeFileSync(path.join(this.#directory, file), program);
    }
  }

  /** Starts one of its programs. */
  start(program: string, env: Readonly<Record<string, string>>): Promise<SpawnedProcess> {
    return spawnProcess({
      command: process.execPath,
      args: [program],
      cwd: this.#directory,
      env,
    });
  }

  /** Its lines that begin so, in order. */
  lines(beginning: string): string[] {
    return this.#text.split('\n').filter((line) => line.startsWith(beginning));
  }
}
