/** What the command says: results on stdout, everything else on stderr. */
import { once } from 'node:events';

import type { Page } from './table.js';
import { painter } from './style.js';

export interface OutputOptions {
  readonly isJson: boolean;
  readonly allowsColor: boolean;
}

export class Output {
  readonly isJson: boolean;
  readonly page: Page;
  private readonly errorPage: Page;

  constructor({ isJson, allowsColor }: OutputOptions) {
    this.isJson = isJson;
    const { stdout, stderr } = process;
    this.page = {
      width: stdout.isTTY ? stdout.columns : undefined,
      paint: painter(allowsColor && stdout.isTTY && !isJson),
    };
    this.errorPage = { width: undefined, paint: painter(allowsColor && stderr.isTTY && !isJson) };
  }

  /** The result of a command: one JSON document, or text. */
  result(document: unknown, text: (page: Page) => string): Promise<void> {
    return this.write(this.isJson ? JSON.stringify(document, null, 2) : text(this.page));
  }

  /** One of many results: a line of JSON, or of text. Resolves when there is room for more. */
  item(document: unknown, text: (page: Page) => string): Promise<void> {
    return this.write(this.isJson ? JSON.stringify(document) : text(this.page));
  }

  /** What people should know and programs need not. */
  note(text: string): void {
    if (!this.isJson) process.stderr.write(`${this.errorPage.paint('dim', text)}\n`);
  }

  failure(document: object, text: string): void {
    const line = this.isJson
      ? JSON.stringify({ error: document })
      : `${this.errorPage.paint('bad', 'error:')} ${text}`;
    process.stderr.write(`${line}\n`);
  }

  private async write(text: string): Promise<void> {
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
  }
}
