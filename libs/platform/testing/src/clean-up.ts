/**
 * What a test file opened is closed after its last hook, newest first, by jest-environment.mjs. A file that ends in any
 * other way takes its processes along all the same: each has a watchdog.
 */
type Closer = () => Promise<unknown> | void;

const closers = new Set<Closer>();

(globalThis as { spooledCleanUp?: () => Promise<void> }).spooledCleanUp = cleanUp;

/** Registers `close` for the end of the test file; the returned function unregisters it. */
export function onCleanUp(close: Closer): () => void {
  closers.add(close);
  return () => closers.delete(close);
}

/** Closes everything that is registered. @throws AggregateError after trying all. */
async function cleanUp(): Promise<void> {
  const problems: unknown[] = [];
  for (const close of [...closers].reverse()) {
    closers.delete(close);
    try {
      await close();
    } catch (error) {
      problems.push(error);
    }
  }
  if (problems.length > 0) throw new AggregateError(problems, 'clean-up after a test file failed');
}
