/** Lines of a page or a banner, run by a shell as a reader would paste them. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

import { eventually, spawnProcess } from '@spooled/testing';

export interface WatchedEvent {
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly envelope: { type: string; id?: string; data: Record<string, unknown> };
}

export interface Watch {
  events(): WatchedEvent[];
  /** All events up to the first that matches, received or yet to come. */
  until(matches: (event: WatchedEvent) => boolean): Promise<WatchedEvent[]>;
  /** Resolves when the server has ended the stream. */
  ended: Promise<void>;
  stop(): void;
}

export const hasCurl = spawnSync('curl', ['--version']).status === 0;

/** What `line` prints. Without curl on this machine, `otherwise` stands in for it. */
export async function run(line: string, otherwise: () => Promise<string>): Promise<string> {
  if (!hasCurl) return otherwise();
  const { stdout } = await promisify(execFile)('sh', ['-c', line], { timeout: 120_000 });
  return stdout;
}

/** The stream that a `curl -N` line prints, once it is connected. Without curl, the same request is made here. */
export async function watch(
  line: string,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<Watch> {
  if (!hasCurl) return watchHere(url, headers);
  // Unlike a terminal, a pipe would also get curl's progress meter.
  const curl = await spawnProcess({ command: 'sh', args: ['-c', `exec ${line} 2>/dev/null`] });
  await curl.waitForLine(/^: connected/);
  return asWatch(
    () => curl.lines,
    curl.exited.then(() => undefined),
    () => curl.kill('SIGTERM'),
  );
}

async function watchHere(url: string, headers: Readonly<Record<string, string>>): Promise<Watch> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  const decoder = new TextDecoder();
  let text = '';
  // The greeting comes before everything else, so the head says that it is connected.
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
    }
  };
  return asWatch(
    () => text.split('\n').slice(0, -1),
    read().catch(() => undefined),
    () => abort.abort(),
  );
}

function asWatch(lines: () => readonly string[], ended: Promise<void>, stop: () => void): Watch {
  const events = (): WatchedEvent[] => parsed(lines());
  return {
    events,
    ended,
    stop,
    until: (matches) =>
      eventually(() => {
        const all = events();
        const end = all.findIndex(matches);
        if (end === -1) throw new Error(`only this came:\n${lines().join('\n')}`);
        return all.slice(0, end + 1);
      }),
  };
}

function parsed(lines: readonly string[]): WatchedEvent[] {
  const events: WatchedEvent[] = [];
  let fields = new Map<string, string>();
  for (const line of lines) {
    const [, name = '', value = ''] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
    if (name !== '') fields.set(name, value);
    if (line !== '') continue;
    const data = fields.get('data');
    if (data !== undefined) {
      const envelope = JSON.parse(data) as WatchedEvent['envelope'];
      events.push({ event: fields.get('event'), id: fields.get('id'), envelope });
    }
    fields = new Map();
  }
  return events;
}
