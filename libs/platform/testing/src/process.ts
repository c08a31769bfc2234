import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { onCleanUp } from './clean-up.js';
import { eventually } from './eventually.js';

export interface SpawnProcessOptions {
  command: string;
  args?: readonly string[];
  cwd?: string;
  /** Added to the present environment; `undefined` removes. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Waited for before the promise resolves, on stdout or stderr. */
  readyLine?: RegExp;
  /** Default 60000. */
  readyTimeoutMs?: number;
}

export interface SpawnedProcess {
  pid: number;
  /** Lines of stdout and stderr, in order of arrival. */
  lines: readonly string[];
  /** The first line that matches, printed or yet to come. @throws Error with the log when it does not come. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
  /** To the process alone. */
  kill(signal: NodeJS.Signals): void;
  /** To the process and its children, as Ctrl-C in a terminal does. */
  killGroup(signal: NodeJS.Signals): void;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  isRunning(): boolean;
  /** SIGTERM, SIGKILL to the group after `timeoutMs`. */
  stop(timeoutMs?: number): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Kills the group ($1) when the test worker dies: its stdin is a pipe from there. */
const watchdogScript = `trap '' INT TERM HUP; read -r _; kill -s KILL -- "-$1" 2>/dev/null`;

/** A process of a test: ready when its line appears, its output kept, its whole group gone at the end of the file. */
export async function spawnProcess(options: SpawnProcessOptions): Promise<SpawnedProcess> {
  const child = spawn(options.command, options.args ?? [], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  let isRunning = true;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', (error) => {
      lines.push(error.message);
      if (child.pid !== undefined) return;
      isRunning = false;
      resolve({ code: null, signal: null });
    });
    child.once('exit', (code, signal) => {
      isRunning = false;
      resolve({ code, signal });
    });
  });
  const pid = child.pid;
  const killGroup = (signal: NodeJS.Signals): void => {
    try {
      if (pid !== undefined) process.kill(-pid, signal);
    } catch {
      // Nobody is left in the group.
    }
  };
  const watchdog = spawn('/bin/sh', ['-c', watchdogScript, 'watchdog', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchdog.unref();
  onCleanUp(async () => {
    killGroup('SIGKILL');
    if (isRunning) await exited;
    watchdog.kill('SIGKILL');
  });

  const spawned: SpawnedProcess = {
    pid: pid ?? -1,
    lines,
    exited,
    killGroup,
    isRunning: () => isRunning,
    kill: (signal) => void child.kill(signal),
    waitForLine: (pattern, timeoutMs = 60_000) => findLine(spawned, pattern, timeoutMs),
    async stop(timeoutMs = 60_000) {
      const force = setTimeout(() => killGroup('SIGKILL'), timeoutMs);
      if (isRunning) child.kill('SIGTERM');
      return exited.finally(() => clearTimeout(force));
    },
  };
  if (options.readyLine) await spawned.waitForLine(options.readyLine, options.readyTimeoutMs);
  return spawned;
}

async function findLine(
  { lines, isRunning }: SpawnedProcess,
  pattern: RegExp,
  timeoutMs: number,
): Promise<RegExpMatchArray> {
  let looked = 0;
  const found = await eventually(
    () => {
      // Asked before looking: a process prints its last line before it is gone.
      const isOver = !isRunning();
      for (; looked < lines.length; looked++) {
        const match = lines[looked]?.match(pattern);
        if (match) return { match };
      }
      return isOver ? { match: undefined } : false;
    },
    { timeoutMs },
  ).catch(() => false as const);
  if (found && found.match) return found.match;
  const state = isRunning() ? `within ${timeoutMs} ms` : 'before the process ended';
  throw new Error(`no line matched ${String(pattern)} ${state}:\n${lines.slice(-50).join('\n')}`);
}
