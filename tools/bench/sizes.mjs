// How much is measured with: a hundredth unless `--long` is given, or what the environment says.
export const isLong = process.argv.includes('--long');

/** Jobs that ended and jobs that wait, in the parts that begin with full tables. */
export const finishedJobs = Number(process.env.BENCH_FINISHED ?? (isLong ? 10_000_000 : 100_000));
export const pendingJobs = Number(process.env.BENCH_PENDING ?? (isLong ? 1_000_000 : 10_000));

/** Jobs that pass through before the rate is measured again. */
export const passedJobs = Number(process.env.BENCH_PASSED ?? (isLong ? 10_000_000 : 200_000));

/** How long a snapshot is held open. */
export const heldSeconds = Number(process.env.BENCH_HELD_SECONDS ?? (isLong ? 60 : 20));
