import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ChildServer, type ChildExit } from './child-server.js';
import { freePort } from './free-port.js';
import { stopOrphan } from './orphan.js';

export interface NatsServerOptions {
  /** The nats-server executable; see `findOrInstallNatsServer`. */
  binary: string;
  /** JetStream's files. Made when absent. */
  dir: string;
  /** Default: a free one, kept across restarts. */
  port?: number;
  removeOnParentDeath?: string;
  onLine?: (line: string) => void;
  /** Makes it one of several that keep streams together. */
  cluster?: NatsClusterMember;
}

export interface NatsClusterMember {
  /** Its own among the others. */
  name: string;
  /** Where the others reach it. */
  port: number;
  /** Of all members, itself included. */
  ports: readonly number[];
}

/** What the largest plan allows as payload, and its envelope, must fit one message between services. */
const CONFIG = 'max_payload: 8MB\n';

/** One nats-server with JetStream on 127.0.0.1. Nothing that 2.9.10 and 2.12 do not both know. */
export class NatsServer {
  private child: ChildServer | undefined;
  private port: number;

  constructor(private readonly options: NatsServerOptions) {
    this.port = options.port ?? 0;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
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

  async start(): Promise<void> {
    if (this.isRunning) return;
    await mkdir(this.options.dir, { recursive: true });
    const pidFile = join(this.options.dir, 'nats-server.pid');
    await stopOrphan(pidFile, this.options.dir, ['SIGTERM', 'SIGKILL']);
    const configFile = join(this.options.dir, 'nats-server.conf');
    await writeFile(configFile, CONFIG + clusterConfig(this.options.cluster));
    this.port ||= await freePort();
    this.child = await ChildServer.start({
      name: 'nats-server',
      command: this.options.binary,
      args: [
        '-c',
        configFile,
        '-a',
        '127.0.0.1',
        '-p',
        String(this.port),
        '-js',
        '-sd',
        this.options.dir,
        '-P',
        pidFile,
      ],
      readyLine: /Server is ready/,
      readyTimeoutMs: 60_000,
      stopSignal: 'SIGTERM',
      removeOnParentDeath: this.options.removeOnParentDeath,
      onLine: this.options.onLine,
    });
  }

  async stop(): Promise<void> {
    await this.child?.stop();
  }

  /** As a crash does: no goodbye to clients, nothing flushed. */
  async kill(): Promise<void> {
    await this.child?.stop('SIGKILL');
  }

  /** Stops answering without closing a connection, until `resume`. */
  pause(): void {
    this.child?.signal('SIGSTOP');
  }

  resume(): void {
    this.child?.signal('SIGCONT');
  }

  /** Deletes every stream and message. Only while stopped. */
  async wipe(): Promise<void> {
    if (this.isRunning) throw new Error('stop the nats-server before its data is wiped');
    await rm(this.options.dir, { recursive: true, force: true });
  }
}

function clusterConfig(member: NatsClusterMember | undefined): string {
  if (member === undefined) return '';
  const { name, port, ports } = member;
  const routes = ports.map((each) => `"nats://127.0.0.1:${each}"`).join(', ');
  return `server_name: ${name}\ncluster { name: spooled, listen: "127.0.0.1:${port}", routes: [${routes}] }\n`;
}
