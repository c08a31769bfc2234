import { setImmediate as turn } from 'node:timers/promises';

export interface StartStop {
  start(): unknown;
  stop(): unknown;
}

/**
 * Fifty start/stop cycles at random paces, some stopped before they got anywhere, some stopped twice at once.
 * @throws Error when a stop does not come back within `stopTimeoutMs`.
 * Source: riverqueue/river rivershared/startstoptest.
 */
export async function stressStartStop(
  subject: StartStop,
  { cycles = 50, stopTimeoutMs = 60_000 } = {},
): Promise<void> {
  for (let cycle = 0; cycle < cycles; cycle++) {
    const started = Promise.resolve(subject.start());
    if (cycle % 3 !== 0) await started;
    for (let turns = cycle % 5; turns > 0; turns--) await turn();
    const stops = [subject.stop(), ...(cycle % 2 === 0 ? [subject.stop()] : [])];
    await within(Promise.all([started, ...stops]), stopTimeoutMs, cycle);
  }
}

async function within(work: Promise<unknown>, timeoutMs: number, cycle: number): Promise<void> {
  let deadline: NodeJS.Timeout | undefined;
  const isLate = new Promise<never>((_, reject) => {
    deadline = setTimeout(
      () => reject(new Error(`cycle ${cycle}: stop() hangs for ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  await Promise.race([work, isLate]).finally(() => clearTimeout(deadline));
}
