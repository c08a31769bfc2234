import { AppError, type WorkflowJobRequest } from '@spooled/contracts';

/** Why a set of jobs is no workflow, or null: keys are unique, and dependencies name other jobs without a ring. */
export function graphProblem(jobs: readonly WorkflowJobRequest[]): AppError | null {
  const byKey = new Map(jobs.map((job) => [job.key, job]));
  if (byKey.size < jobs.length) {
    const twice = jobs.find(({ key }, index) => jobs.findIndex((job) => job.key === key) < index);
    return AppError.invalid('jobs', `the key ${twice!.key} is used twice`);
  }
  for (const { key, depends_on } of jobs) {
    for (const parent of depends_on ?? []) {
      if (parent === key) return AppError.invalid('depends_on', `${key} depends on itself`);
      if (!byKey.has(parent)) {
        return AppError.invalid(
          'depends_on',
          `${key} depends on ${parent}, which is not a job of it`,
        );
      }
    }
  }
  const stuck = keysInRings(jobs);
  if (stuck.length === 0) return null;
  return AppError.invalid('depends_on', `a cycle leaves no order for ${stuck.join(', ')}`);
}

/** What is left when jobs whose dependencies are all done are taken away again and again (Kahn's algorithm). */
function keysInRings(jobs: readonly WorkflowJobRequest[]): string[] {
  const missing = new Map(jobs.map(({ key, depends_on }) => [key, new Set(depends_on ?? []).size]));
  const children = new Map<string, string[]>();
  for (const { key, depends_on } of jobs) {
    for (const parent of new Set(depends_on ?? [])) {
      children.set(parent, [...(children.get(parent) ?? []), key]);
    }
  }
  const free = [...missing].filter(([, count]) => count === 0).map(([key]) => key);
  for (let key = free.pop(); key !== undefined; key = free.pop()) {
    missing.delete(key);
    for (const child of children.get(key) ?? []) {
      const count = missing.get(child)! - 1;
      missing.set(child, count);
      if (count === 0) free.push(child);
    }
  }
  return [...missing.keys()];
}
