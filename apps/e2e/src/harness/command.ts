/** The `spooled` command, run as its users run it: a process with arguments, an environment and pipes. */
import { onCleanUp, spawnProcess, type SpawnedProcess } from '@spooled/testing';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { root } from './host.js';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

export const binary = join(root, 'apps/cli/bin/spooled.js');

/** The environment of the machine must not decide what the command does. */
const nothing: Environment = {
  SPOOLED_API_KEY: undefined,
  SPOOLED_URL: undefined,
  DATABASE_URL: undefined,
  NATS_URL: undefined,
  NATS_MONITOR_URL: undefined,
  NO_COLOR: undefined,
  FORCE_COLOR: undefined,
  // On a machine for tests the live view would draw its last picture only.
  CI: undefined,
  CONTINUOUS_INTEGRATION: undefined,
};

/** A user with a home of its own. */
export class SpooledUser {
  readonly configHome = mkdtempSync(join(tmpdir(), 'spooled-cli-'));
  /** What the command must say to nobody. */
  readonly secrets = new Set<string>();
  private readonly env: Environment;

  constructor(env: Environment = {}) {
    if (env['SPOOLED_API_KEY'] !== undefined) this.secrets.add(env['SPOOLED_API_KEY']);
    this.env = { ...nothing, ...env, XDG_CONFIG_HOME: this.configHome };
    onCleanUp(() => rmSync(this.configHome, { recursive: true, force: true }));
  }

  get configFile(): string {
    return join(this.configHome, 'spooled/config.json');
  }

  /** @throws Error when it says a secret. */
  async run(
    args: readonly string[],
    { stdin = '', env = {} }: { readonly stdin?: string; readonly env?: Environment } = {},
  ): Promise<Ended> {
    const child = spawn(process.execPath, [binary, ...args], {
      env: { ...process.env, ...this.env, ...env },
    });
    // One that does not read its stdin may be gone before all is written.
    child.stdin.on('error', () => undefined).end(stdin);
    const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
    const [stdout, stderr, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      exited,
    ]);
    for (const secret of this.secrets) {
      if (`${stdout}${stderr}`.includes(secret))
        throw new Error(`spooled ${args[0]} tells a secret`);
    }
    return { code, stdout, stderr };
  }

  /** The document that it prints. @throws Error unless it ends well. */
  async json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run([...args, '--json']);
    if (code !== 0) throw new Error(`spooled ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** What runs until it is told to stop. */
  start(args: readonly string[], env: Environment = {}): Promise<SpawnedProcess> {
    return spawnProcess({
      command: process.execPath,
      args: [binary, ...args],
      env: { ...this.env, ...env },
    });
  }

  /** On a terminal of 100 columns and 24 lines, whose keys are `stdin`. */
  onTerminal(args: readonly string[], env: Environment = {}) {
    const line = `stty rows 24 cols 100; exec ${process.execPath} ${binary} ${args.join(' ')}`;
    const child = spawn('script', ['-qefc', line, '/dev/null'], {
      env: { ...process.env, ...this.env, TERM: 'xterm-256color', ...env },
    });
    let screen = '';
    child.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    onCleanUp(() => void child.kill('SIGKILL'));
    return {
      screen: () => screen,
      type: (keys: string) => child.stdin.write(keys),
      exited: new Promise<number | null>((resolve) => child.once('close', resolve)),
    };
  }
}
