/** A server run as a child process: started until its ready line, stopped for certain, never left behind by a dead parent. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ChildServerOptions {
  /** In messages: "nats-server did not start: …". */
  name: string;
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Another user to run as; only root can ask for one. */
  uid?: number;
  gid?: number;
  /** The line of its output that says that connections are accepted. Default: ready when it runs. */
  readyLine?: RegExp;
  /** Default 30000. */
  readyTimeoutMs?: number;
  /** What a polite stop sends. Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** A directory to remove when the parent dies without having stopped the server (tests). */
  removeOnParentDeath?: string;
  onLine?: (line: string) => void;
}

export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Stands beside every server and outlives a parent that dies by any means: its stdin is a pipe from the parent, so the
 * read ends at the parent's death; then it stops the server ($1) with $2, and by force after five seconds.
 */
const watchdogScript = `
trap '' INT TERM HUP
read -r _
kill -s "$2" "$1" 2>/dev/null
kill -s CONT "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -s KILL "$1" 2>/dev/null
[ -z "$3" ] || rm -rf "$3"
`;

const linesKept = 30;
const defaultStopSignal = 'SIGTERM';

export class ChildServer {
  private readonly lastLines: string[] = [];
  private readonly watchdog: ChildProcess | undefined;
  readonly exited: Promise<ChildExit>;
  private exit: ChildExit | undefined;

  /** Starts and waits for the ready line. @throws Error with the server's last lines when it exits or says nothing in time. */
  static async start(options: ChildServerOptions): Promise<ChildServer> {
    // A group of its own: Ctrl-C in a terminal reaches the parent alone, which then stops its servers last.
    const child = spawn(options.command, options.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: options.env ?? process.env,
      uid: options.uid,
      gid: options.gid,
    });
    const server = new ChildServer(child, options);
    await server.ready(options);
    return server;
  }

  private constructor(
    private readonly child: ChildProcess,
    private readonly options: ChildServerOptions,
  ) {
    this.exited = new Promise((resolve) => {
      const settle = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.exit = { code, signal };
        this.watchdog?.kill('SIGKILL');
        resolve(this.exit);
      };
      child.once('exit', settle);
      child.once('error', (error) => {
        this.lastLines.push(error.message);
        if (child.pid === undefined) settle(null, null);
      });
    });
    if (child.pid === undefined) return;
    this.watchdog = spawn(
      '/bin/sh',
      [
        '-c',
        watchdogScript,
        'watchdog',
        String(child.pid),
        (options.stopSignal ?? defaultStopSignal).slice(3),
        options.removeOnParentDeath ?? '',
      ],
      { stdio: ['pipe', 'ignore', 'ignore'], detached: true },
    );
    this.watchdog.unref();
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.exit === undefined;
  }

  /** The newest lines of its log, for messages. */
  get log(): string {
    return this.lastLines.join('\n');
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.child.kill(signal);
  }

  /** Resolves when the process is gone: asked with `signal`, forced after `timeoutMs`. */
  async stop(
    signal = this.options.stopSignal ?? defaultStopSignal,
    timeoutMs = 10_000,
  ): Promise<ChildExit> {
    const force = setTimeout(() => this.signal('SIGKILL'), timeoutMs);
    this.signal(signal);
    this.signal('SIGCONT');
    const exit = await this.exited;
    clearTimeout(force);
    return exit;
  }

  private async ready({
    name,
    readyLine,
    readyTimeoutMs = 30_000,
  }: ChildServerOptions): Promise<void> {
    const isReady = new Promise<true>((resolve) => {
      this.child.once('spawn', () => readyLine ?? resolve(true));
      for (const input of [this.child.stdout, this.child.stderr]) {
        if (!input) continue;
        createInterface({ input }).on('line', (line) => {
          this.keep(line);
          if (readyLine?.test(line)) resolve(true);
        });
      }
    });
    let deadline: NodeJS.Timeout | undefined;
    const isLate = new Promise<false>((resolve) => {
      deadline = setTimeout(() => resolve(false), readyTimeoutMs);
    });
    const outcome = await Promise.race([isReady, isLate, this.exited]);
    clearTimeout(deadline);
    if (outcome === true) return;
    if (outcome === false) await this.stop('SIGKILL');
    const why = outcome === false ? `not ready after ${readyTimeoutMs} ms` : 'it exited';
    throw new Error(`${name} did not start: ${why}.\n${this.log}`);
  }

  private keep(line: string): void {
    this.lastLines.push(line);
    if (this.lastLines.length > linesKept) this.lastLines.shift();
    this.options.onLine?.(line);
  }
}
