import { createHash } from 'node:crypto';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DataDirectory {
  /** Absolute. */
  path: string;
  release(): Promise<void>;
}

/**
 * Makes the directory and claims it for this process, so that two Spooleds never run on one. The claim is a listening
 * Unix socket: unlike a file with a process number, it ends with the process however that dies.
 * @throws Error when another process has it.
 */
export async function claimDataDirectory(directory: string): Promise<DataDirectory> {
  await mkdir(directory, { recursive: true });
  const path = await realpath(directory);
  // Not inside the directory: a socket's path may have no more than about 100 bytes.
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16);
  const socket = join(tmpdir(), `spooled-${name}.sock`);
  const server = createServer((peer) => peer.end(String(process.pid)));
  server.unref();
  const listen = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(error);
      });
      server.listen(socket, () => resolve(true));
    });
  if (!(await listen())) {
    const owner = await ownerOf(socket);
    if (owner) {
      throw new Error(
        `Spooled already runs on ${path} (process ${owner}). Stop it, or give this one another directory: SPOOLED_DATA_DIR=…`,
      );
    }
    await rm(socket, { force: true });
    if (!(await listen())) throw new Error(`another Spooled is starting on ${path}`);
  }
  return {
    path,
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The process number that the owner answers, or nothing when the owner is dead and only its socket is left. */
function ownerOf(socket: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    connect(socket)
      .on('data', (chunk) => (answer += chunk.toString()))
      .on('end', () => resolve(answer || 'unknown'))
      .on('error', () => resolve(undefined));
  });
}
