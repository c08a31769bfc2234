import type { DependencyMode, JobStatus } from '@spooled/contracts';

/** How one dependency stands; `ended` is null while it may still complete. */
export interface DependencyState {
  readonly ended: JobStatus | null;
}

/**
 * How many of the dependencies a job has to wait for: with `all` those that are yet to complete, with `any` those that may
 * still do so. Null: for none, it may run. `impossible`: what it waits for can never come.
 */
export function waitingOn(
  mode: DependencyMode,
  dependencies: readonly DependencyState[],
): number | null | 'impossible' {
  const completed = dependencies.filter(({ ended }) => ended === 'completed').length;
  const live = dependencies.filter(({ ended }) => ended === null).length;
  if (mode === 'any') {
    if (completed > 0 || dependencies.length === 0) return null;
    return live === 0 ? 'impossible' : live;
  }
  if (completed + live < dependencies.length) return 'impossible';
  return live === 0 ? null : live;
}
