import { isPortFree } from '@spooled/embedded';

/**
 * @param setting the variable that sets the port, for the message
 * @throws Error with one clear sentence when `port` is taken or may not be used.
 */
export async function assertPortFree(
  port: number,
  setting = 'PORT',
  host = '0.0.0.0',
): Promise<void> {
  const isFree = await isPortFree(port, host).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EACCES' ? 'needs privileges' : `cannot be used (${error.code})`;
    throw new Error(`Port ${port} ${reason}. Choose another: ${setting}=${port + 8000} npm start`);
  });
  if (isFree) return;
  throw new Error(
    `Port ${port} is taken: another program, perhaps another Spooled, listens there. ` +
      `Stop it, or choose another: ${setting}=${port + 1} npm start`,
  );
}
