import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { findOrInstallNatsServer } from './nats-binary.js';
import { NatsServer } from './nats-server.js';
import { stopOrphan } from './orphan.js';
import { PostgresServer } from './postgres-server.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'spooled-orphan-'));
  chmodSync(directory, 0o755);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('a server on a directory that an earlier one still uses', () => {
  it('stops the earlier PostgreSQL first', async () => {
    const options = { dir: join(directory, 'postgres'), password: 'x', isDisposable: true };
    const [earlier, later] = [new PostgresServer(options), new PostgresServer(options)];
    await earlier.start();
    await later.start();
    expect(await earlier.exited).toEqual({ code: 0, signal: null });
    expect(later.isRunning).toBe(true);
    await later.stop();
  });

  it('stops the earlier nats-server first', async () => {
    const options = { dir: join(directory, 'nats'), binary: await findOrInstallNatsServer() };
    const [earlier, later] = [new NatsServer(options), new NatsServer(options)];
    await earlier.start();
    await later.start();
    await earlier.exited;
    expect(later.isRunning).toBe(true);
    await later.stop();
  });

  it('leaves a process alone whose number only happens to be in the file', async () => {
    const pidFile = join(directory, 'server.pid');
    writeFileSync(pidFile, String(process.pid));
    await stopOrphan(pidFile, '/some/other/directory', ['SIGTERM', 'SIGKILL']);
  });
});

const itAsRoot = process.getuid?.() === 0 ? it : it.skip;

describe('PostgreSQL of root', () => {
  itAsRoot('runs in a directory that only root may enter', async () => {
    chmodSync(directory, 0o700);
    const server = new PostgresServer({ dir: join(directory, 'postgres'), isDisposable: true });
    await server.start();
    await server.stop();
    expect(statSync(directory).mode & 0o777).toBe(0o711);
  });

  itAsRoot('keeps its data elsewhere when a directory further up is closed', async () => {
    chmodSync(directory, 0o700);
    const dir = join(directory, 'data', 'postgres');
    const options = { dir, password: 'x', isDisposable: true };
    const first = new PostgresServer(options);
    await first.start();
    await first.stop();
    const elsewhere = readlinkSync(dir);
    expect(elsewhere).toMatch(/^\/var\/lib\/spooled\/postgres-/);
    const second = new PostgresServer(options);
    await second.start();
    await second.stop();
    rmSync(elsewhere, { recursive: true });
  });

  itAsRoot('refuses data that was written elsewhere and cannot be entered', async () => {
    chmodSync(directory, 0o700);
    mkdirSync(join(directory, 'data', 'postgres'), { recursive: true });
    const server = new PostgresServer({ dir: join(directory, 'data', 'postgres') });
    await expect(server.start()).rejects.toThrow('the user "postgres" cannot enter');
  });
});
