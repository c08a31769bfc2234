/** The composed system under test, started as its operator would: one process, or one per service. */
import { fileURLToPath } from 'node:url';

import { eventually, freePort, spawnProcess, type SpawnedProcess } from '@spooled/testing';

export const hostKinds = ['standalone', 'services'] as const;
export type HostKind = (typeof hostKinds)[number];

/** Opens the admin routes of every host. */
export const adminKey = 'e2e-admin-key-e2e-admin-key-e2e-admin-key';

/** One process of a host and the paths that an ingress sends to it. */
interface Part {
  readonly name: string;
  readonly prefixes: readonly string[];
}

const parts: Record<HostKind, readonly Part[]> = {
  standalone: [{ name: 'standalone', prefixes: [''] }],
  services: [
    {
      name: 'auth',
      prefixes: ['/auth', '/organizations', '/api-keys', '/billing', '/admin', '/audit'],
    },
    { name: 'job-api', prefixes: ['/jobs', '/queues', ''] },
    { name: 'worker-registry', prefixes: ['/workers'] },
    { name: 'scheduler', prefixes: ['/schedules'] },
    { name: 'webhook-dispatcher', prefixes: ['/outgoing-webhooks', '/webhooks'] },
    { name: 'realtime-gateway', prefixes: ['/ws', '/events'] },
  ],
};

/** The tree that these tests belong to. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** A started part, or one of several alike; its ports outlive a restart. */
interface RunningPart extends Part {
  readonly port: number;
  readonly grpcPort: number;
  /** The built tree that it runs from. */
  root: string;
  process: SpawnedProcess;
  /** Whether new requests are sent to it. */
  isServing: boolean;
}

/** Where clients find the product: the processes themselves, or one address before all of them. */
export interface Entrance {
  /** Where the routes below `/api/v1` + `prefix` are served. */
  base(prefix?: string): string;
  /** `path` is below `/api/v1`. */
  url(path: string): string;
  webSocketUrl(path: string): string;
}

export interface HostOptions {
  /** How many processes of each part. Default 1. */
  readonly replicas?: number;
  /** The built tree that they run from: that of another release. Default: ours. */
  readonly root?: string;
}

export interface RolloutOptions {
  /** The parts that are replaced. Default: all. */
  readonly names?: readonly string[];
  /** The tree that the new processes run from. Default: each from its own again. */
  readonly root?: string;
  /** Told when a new process begins to start, and when it is there: nobody needs to be busy meanwhile. */
  readonly onStarting?: (isStarting: boolean) => void;
  /** Awaited after each replacement, when old and new serve side by side. */
  readonly between?: () => Promise<unknown>;
}

export interface HostExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Host implements Entrance {
  /** What no process may ever say, in its log or its metrics. */
  readonly secrets = new Set<string>([adminKey]);

  static async start(
    kind: HostKind,
    env: Readonly<Record<string, string>>,
    { replicas = 1, root: from = root }: HostOptions = {},
  ): Promise<Host> {
    const wanted = parts[kind].flatMap((part) => Array.from({ length: replicas }, () => part));
    const started = await Promise.all(
      wanted.map(async (part) => {
        const place = { port: await freePort(), grpcPort: await freePort(), root: from };
        const process = await launch({ ...part, ...place }, env);
        return { ...part, ...place, process, isServing: true };
      }),
    );
    const host = new Host(kind, env, started);
    await host.ready();
    return host;
  }

  /** What was wrong with processes that have been replaced. */
  private readonly pastProblems: string[] = [];
  private turns = 0;

  private constructor(
    readonly kind: HostKind,
    private readonly env: Readonly<Record<string, string>>,
    private readonly running: readonly RunningPart[],
  ) {}

  /**
   * Where the routes below `/api/v1` + `prefix` are served: `base('/jobs')`. Without a prefix, where jobs are. Of several
   * processes, each in turn.
   */
  base(prefix = ''): string {
    const serves = ({ prefixes }: Part): boolean =>
      prefixes.some((each) => prefix === each || (each !== '' && prefix.startsWith(`${each}/`)));
    return `http://127.0.0.1:${this.oneOf(serves).port}`;
  }

  /** `path` is below `/api/v1`. */
  url(path: string): string {
    return `${this.base(path.replace(/\?.*/, ''))}/api/v1${path}`;
  }

  webSocketUrl(path: string): string {
    return this.url(path).replace(/^http/, 'ws');
  }

  /** Where the gRPC service is served that belongs to the routes below `prefix`. */
  grpcAddress(prefix: string): string {
    return `127.0.0.1:${this.oneOf(({ prefixes }) => prefixes.includes(prefix)).grpcPort}`;
  }

  /** The base URL of every process. */
  bases(): string[] {
    return this.running.map(({ port }) => `http://127.0.0.1:${port}`);
  }

  /** kill -9 of the process that owns the jobs. */
  async killJobs(): Promise<void> {
    const { process } = this.partOf('/jobs');
    process.kill('SIGKILL');
    await process.exited;
  }

  async restartJobs(): Promise<void> {
    const part = this.partOf('/jobs');
    part.process = await launch(part, this.env);
    await this.ready();
  }

  /** After all of them have ended. */
  async restartAll(): Promise<void> {
    await Promise.all(
      this.running.map(async (part) => {
        part.process = await launch(part, this.env);
      }),
    );
    await this.ready();
  }

  /** As a rollout does: one process after the other leaves the routing, drains and is replaced before the next one goes. */
  async rollOut({ names, root: from, onStarting, between }: RolloutOptions = {}): Promise<void> {
    for (const part of this.running) {
      if (names?.includes(part.name) === false) continue;
      part.isServing = false;
      await this.readAll(part);
      this.pastProblems.push(...this.problemsOf(part));
      const exit = await part.process.stop();
      if (exit.code !== 0) this.pastProblems.push(ending(part, exit));
      part.root = from ?? part.root;
      onStarting?.(true);
      part.process = await launch(part, this.env);
      await this.ready();
      onStarting?.(false);
      part.isServing = true;
      await between?.();
    }
  }

  /** What is wrong with the processes: one that ended, or one that reported a bug. Empty when all is well. */
  problems(): string[] {
    return [...this.pastProblems, ...this.running.flatMap((part) => this.problemsOf(part))];
  }

  private problemsOf({ name, process: { isRunning, lines } }: RunningPart): string[] {
    return [
      ...(isRunning() ? [] : [`${name} has ended: ${lines.slice(-5).join('\n')}`]),
      ...bugs(name, lines),
      ...this.leaks(`the log of ${name}`, lines),
    ];
  }

  /** All that its processes have printed. */
  lines(): string[] {
    return this.running.flatMap(({ process }) => process.lines);
  }

  signal(signal: NodeJS.Signals): void {
    for (const part of this.running) part.process.kill(signal);
  }

  exits(): Promise<HostExit[]> {
    return Promise.all(this.running.map(({ process }) => process.exited));
  }

  /** Stops all processes at once. @throws unless each ends with code 0, had reported no bug and told no secret. */
  async stop(): Promise<void> {
    const problems = [...this.problems(), ...(await this.leaksOfMetrics())];
    const exits = await Promise.all(this.running.map(({ process }) => process.stop()));
    for (const [index, exit] of exits.entries()) {
      const part = this.running[index];
      if (exit.code !== 0 && part !== undefined) problems.push(ending(part, exit));
    }
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  /** Lines that say what must be told to nobody. */
  private leaks(where: string, lines: readonly string[]): string[] {
    return [...this.secrets]
      .filter((secret) => lines.some((line) => line.includes(secret)))
      .map((secret) => `${where} has the secret ${secret.slice(0, 12)}…`);
  }

  private async leaksOfMetrics(): Promise<string[]> {
    const running = this.running.filter(({ process }) => process.isRunning());
    const pages = await Promise.all(
      running.map(async ({ name, port }) => {
        const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
        return this.leaks(`the metrics of ${name}`, [(await response?.text()) ?? '']);
      }),
    );
    return pages.flat();
  }

  private partOf(prefix: string): RunningPart {
    const part = this.running.find(({ prefixes }) => prefixes.includes(prefix)) ?? this.running[0];
    if (part === undefined) throw new Error('a host without processes');
    return part;
  }

  /** Of the processes that serve and match, each in turn. */
  private oneOf(matches: (part: Part) => boolean): RunningPart {
    const serving = this.running.filter((part) => part.isServing && matches(part));
    const part = serving[this.turns++ % serving.length];
    return part ?? this.partOf('');
  }

  /** Resolves when the process has read what was sent to it before. */
  private async readAll({ port }: RunningPart): Promise<void> {
    await (await fetch(`http://127.0.0.1:${port}/health/live`)).text();
  }

  private async ready(): Promise<void> {
    await Promise.all(
      this.running.map(({ name, port, process }) =>
        eventually(
          async () => {
            if (!process.isRunning()) return true;
            return (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok;
          },
          { intervalMs: 25, timeoutMs: 120_000 },
        ).then(() => {
          if (!process.isRunning()) throw new Error(`${name} ended:\n${process.lines.join('\n')}`);
        }),
      ),
    );
  }
}

function launch(
  { name, port, grpcPort, root: cwd }: Omit<RunningPart, 'process' | 'isServing'>,
  env: Readonly<Record<string, string>>,
): Promise<SpawnedProcess> {
  return spawnProcess({
    command: process.execPath,
    args: ['--enable-source-maps', `apps/${name}/dist/main.js`],
    cwd,
    env: { ...env, PORT: String(port), GRPC_PORT: String(grpcPort), SERVICE_NAME: name },
  });
}

function ending({ name, process }: RunningPart, { code, signal }: HostExit): string {
  return `${name} ended with ${signal ?? `code ${code}`}:\n${process.lines.slice(-20).join('\n')}`;
}

const bugPattern =
  /unhandled rejection|uncaught|TypeError|ReferenceError|ZodError|not understood|(column|relation|function) \S+ does not exist/i;

/** Log lines that no trouble of the surroundings explains; what another version says must be understood, too. */
function bugs(name: string, lines: readonly string[]): string[] {
  return lines
    .filter((line) => bugPattern.test(line))
    .slice(0, 3)
    .map((line) => `${name}: ${line.slice(0, 1_000)}`);
}
