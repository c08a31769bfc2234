/** Running other programs so that signals and exit codes pass through and nothing is left behind. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const binaries = path.join(root, 'node_modules/.bin');
export const pinnedNode = path.join(binaries, 'node');

/**
 * The environment in which `node` is the pinned one, also for grandchildren, and what it has compiled once it does not
 * compile again: a fifth of the work of a start.
 */
export const environment = {
  NODE_COMPILE_CACHE: path.join(root, 'node_modules/.cache/node-compile'),
  ...process.env,
  PATH: [binaries, process.env.PATH].join(path.delimiter),
};

/** Ends the child ($1) when this process is killed without a chance to do so: its stdin is a pipe from here. */
const watchdogScript = `trap '' INT TERM HUP; read -r _; kill -s TERM "$1" 2>/dev/null`;

/** Two signals closer together than this are one: a terminal sends Ctrl-C to npm and to us, and npm passes its own on. */
const sameKeyPressMs = 1_000;

/**
 * Runs `command` with this terminal and resolves with its exit code. It is in a process group of its own, so it gets a
 * signal once, from here; a second Ctrl-C ends it at once.
 */
export function runChild(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    });
    child.once('error', reject);
    if (child.pid === undefined) return;
    const watchdog = spawn('/bin/sh', ['-c', watchdogScript, 'watchdog', String(child.pid)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    let signalledAt;
    const pass = (signal) => {
      const now = performance.now();
      if (signalledAt === undefined) child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
      else if (now - signalledAt > sameKeyPressMs) child.kill('SIGKILL');
      signalledAt ??= now;
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
    child.once('exit', (code, signal) => {
      watchdog.kill('SIGKILL');
      for (const each of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(each, pass);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}
