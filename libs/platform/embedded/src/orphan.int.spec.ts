import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
