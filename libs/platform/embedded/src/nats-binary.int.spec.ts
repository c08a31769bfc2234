import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { findOrInstallNatsServer, type NatsBinaryOptions } from './nats-binary.js';

const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;

/** A place of its own: an empty PATH but for tar, an empty cache, a release server on this machine. */
async function setup(): Promise<{
  root: string;
  options: Required<Pick<NatsBinaryOptions, 'cacheDir' | 'release'>> & { env: NodeJS.ProcessEnv };
  executable(path: string, version: string): string;
}> {
  const root = mkdtempSync(join(tmpdir(), 'spooled-binary-'));
  const bin = join(root, 'bin');
  mkdirSync(bin);
  for (const tool of ['tar', 'gzip', 'sh', 'echo']) {
    symlinkSync(execFileSync('which', [tool], { encoding: 'utf8' }).trim(), join(bin, tool));
  }
  const executable = (path: string, version: string): string => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, `#!/bin/sh\necho 'nats-server: v${version}'\n`);
    chmodSync(path, 0o755);
    return path;
  };
  executable(join(root, `nats-server-v9.9.9-${platform}/nats-server`), '9.9.9');
  execFileSync('tar', ['-czf', 'release.tar.gz', `nats-server-v9.9.9-${platform}`], { cwd: root });
  const archive = readFileSync(join(root, 'release.tar.gz'));
  const server = createServer((request, response) => {
    const isKnown = request.url === `/v9.9.9/nats-server-v9.9.9-${platform}.tar.gz`;
    response.writeHead(isKnown ? 200 : 404).end(isKnown ? archive : undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
    rmSync(root, { recursive: true });
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sha256 = new Map([[platform, createHash('sha256').update(archive).digest('hex')]]);
  return {
    root,
    executable,
    options: {
      env: { PATH: bin },
      cacheDir: join(root, 'cache'),
      release: { version: '9.9.9', baseUrl, sha256 },
    },
  };
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe('findOrInstallNatsServer', () => {
  it('prefers the one that NATS_SERVER_BIN names and refuses a wrong name', async () => {
    const { root, options, executable } = await setup();
    const named = executable(join(root, 'mine/nats'), '2.10.0');
    options.env['NATS_SERVER_BIN'] = named;
    expect(await findOrInstallNatsServer(options)).toBe(named);
    options.env['NATS_SERVER_BIN'] = join(root, 'nowhere');
    await expect(findOrInstallNatsServer(options)).rejects.toThrow('nowhere, which is not there');
  });

  it('takes the first on PATH that is recent enough', async () => {
    const { root, options, executable } = await setup();
    executable(join(root, 'old/nats-server'), '2.9.9');
    const recent = executable(join(root, 'recent/nats-server'), '2.9.10');
    options.env['PATH'] = ['old', 'recent'].map((name) => join(root, name)).join(delimiter);
    expect(await findOrInstallNatsServer(options)).toBe(recent);
  });

  it('fetches the official release once when there is no package manager', async () => {
    const { options } = await setup();
    const said: string[] = [];
    const withProgress = { ...options, onProgress: (line: string) => said.push(line) };
    const path = await findOrInstallNatsServer(withProgress);
    expect(await findOrInstallNatsServer(withProgress)).toBe(path);
    expect(said).toEqual(['Fetching nats-server 9.9.9 (official release)…']);
    expect(execFileSync(path, { encoding: 'utf8' })).toContain('9.9.9');
  });

  it('refuses a release with another checksum and keeps nothing of it', async () => {
    const { options } = await setup();
    options.release = { ...options.release, sha256: new Map([[platform, '00']]) };
    await expect(findOrInstallNatsServer(options)).rejects.toThrow('not the pinned 00: not used');
    expect(existsSync(join(options.cacheDir, 'nats-server'))).toBe(false);
  });

  it('says in one message what was tried and what to do', async () => {
    const { options } = await setup();
    options.env['NATS_RELEASE_URL'] = 'http://127.0.0.1:1';
    const failure = findOrInstallNatsServer(options);
    await expect(failure).rejects.toThrow(
      /could not get one:\n {2}- this machine has no apt-get.*\n {2}- http.*could not be fetched \(.*\)\nInstall it .*NATS_URL/s,
    );
  });
});
