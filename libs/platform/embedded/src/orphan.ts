/** A server that an earlier, killed process left running on a directory that is ours now. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const runFile = promisify(execFile);

/**
 * Stops the process that `pidFile` names if its command line mentions `dir` (the number may belong to somebody else by
 * now), politely with the first signal, then with the second. @throws Error when it outlives both.
 */
export async function stopOrphan(
  pidFile: string,
  dir: string,
  signals: readonly [NodeJS.Signals, NodeJS.Signals],
): Promise<void> {
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !(await commandLine(pid)).includes(dir)) return;
  for (const signal of signals) {
    if (send(pid, signal) && (await isGoneWithin(pid, 10_000))) return;
  }
  if (!send(pid, 0)) return;
  throw new Error(
    `process ${pid} of an earlier run still uses ${dir}: stop it first (kill ${pid})`,
  );
}

async function commandLine(pid: number): Promise<string> {
  const linux = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (linux || process.platform === 'linux') return linux;
  const { stdout } = await runFile('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout;
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

async function isGoneWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (!send(pid, 0)) return true;
    await delay(10);
  }
  return false;
}
