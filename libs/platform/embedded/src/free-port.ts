import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below those that systems give out by themselves, also to outgoing connections: nobody gets one of these by chance. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;
/** So that processes which start together do not look at the same ones. */
let next = randomInt(PORTS);

/**
 * A TCP port on 127.0.0.1 that nothing listens on now, and that nobody in this process was given lately. @throws Error
 * when there is none.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS; tries++) {
    const port = FIRST_PORT + (next++ % PORTS);
    if (await isPortFree(port, '127.0.0.1')) return port;
  }
  throw new Error(`no port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} is free`);
}

/** Whether `port` can be bound on `host` now. @throws whatever but EADDRINUSE prevents it, such as EACCES. */
export function isPortFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
