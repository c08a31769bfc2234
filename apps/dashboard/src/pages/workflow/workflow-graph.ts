import type { WorkflowView } from './workflow.js';

/** Where a job stands in the picture; the unit is one place. */
export interface Place {
  /** As many steps as its longest way from a job without dependencies. */
  readonly column: number;
  readonly row: number;
}

/** Left to right in the order in which jobs can run, each near what it waits for. */
export function placesOf({
  jobs,
  dependencies,
}: Pick<WorkflowView, 'jobs' | 'dependencies'>): ReadonlyMap<string, Place> {
  const parents = new Map<string, string[]>();
  for (const { parentJobId, childJobId } of dependencies)
    parents.set(childJobId, [...(parents.get(childJobId) ?? []), parentJobId]);
  const columns = columnsOf(
    jobs.map(({ id }) => id),
    parents,
  );
  const places = new Map<string, Place>();
  const depth = Math.max(0, ...columns.values());
  for (let column = 0; column <= depth; column += 1) {
    jobs
      .filter(({ id }) => columns.get(id) === column)
      .map(({ id }) => ({ id, wanted: meanRow(parents.get(id) ?? [], places) }))
      .sort((a, b) => a.wanted - b.wanted)
      .forEach(({ id }, row) => places.set(id, { column, row }));
  }
  return places;
}

function columnsOf(
  ids: readonly string[],
  parents: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, number> {
  const columns = new Map<string, number>();
  const own = new Set(ids);
  const columnOf = (id: string): number => {
    const known = columns.get(id);
    if (known !== undefined) return known;
    // The server takes no ring; jobs of other workflows have no place here.
    const before = (parents.get(id) ?? []).filter((parent) => own.has(parent));
    const column = Math.max(0, ...before.map((parent) => columnOf(parent) + 1));
    columns.set(id, column);
    return column;
  };
  for (const id of ids) columnOf(id);
  return columns;
}

function meanRow(parents: readonly string[], places: ReadonlyMap<string, Place>): number {
  const rows = parents.map((id) => places.get(id)?.row ?? 0);
  return rows.reduce((sum, row) => sum + row, 0) / Math.max(1, rows.length);
}
