/** Rows under titles, and names beside values, as wide as the terminal. */
import type { Paint, Tone } from './style.js';
import { harmless, padded, widthOf, wrapped } from './text.js';

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number | null | undefined;
  readonly tone?: (row: Row) => Tone | undefined;
  readonly align?: 'left' | 'right';
}

export interface Page {
  /** Undefined: as wide as it needs. */
  readonly width: number | undefined;
  readonly paint: Paint;
}

const GAP = '  ';
/** No column is made narrower than this. */
const MIN_WIDTH = 8;

export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { width, paint }: Page,
): string {
  const cells = rows.map((row) => columns.map((column) => cellText(column.of(row))));
  const widths = fitted(
    columns.map(({ title }, index) =>
      Math.max(widthOf(title), ...cells.map((each) => widthOf(each[index] ?? ''))),
    ),
    width,
  );
  const head = columns.map(({ title, align }, index) =>
    padded(paint('title', title), widths[index] ?? 0, align),
  );
  const body = rows.flatMap((row, rowIndex) => {
    const stacks = columns.map((_, index) =>
      wrapped(cells[rowIndex]?.[index] ?? '', widths[index] ?? 0),
    );
    const height = Math.max(...stacks.map(({ length }) => length));
    return Array.from({ length: height }, (_, line) =>
      columns
        .map(({ tone, align }, index) =>
          paint(tone?.(row), padded(stacks[index]?.[line] ?? '', widths[index] ?? 0, align)),
        )
        .join(GAP)
        .trimEnd(),
    );
  });
  return [head.join(GAP).trimEnd(), ...body].join('\n');
}

/** What there is to say of one thing. An entry that is undefined is left out. */
export function fields(
  entries: Readonly<Record<string, string | number | boolean | null | undefined>>,
  { width, paint }: Page,
): string {
  const given = Object.entries(entries).filter(([, value]) => value !== undefined);
  const nameWidth = Math.max(...given.map(([name]) => widthOf(name)));
  const room = width === undefined ? Infinity : Math.max(MIN_WIDTH, width - nameWidth - GAP.length);
  return given
    .flatMap(([name, value]) =>
      wrapped(cellText(value), room).map(
        (line, index) =>
          `${padded(index === 0 ? paint('title', name) : '', nameWidth)}${GAP}${line}`,
      ),
    )
    .join('\n');
}

function cellText(value: string | number | boolean | null | undefined): string {
  if (value === null || value === undefined || value === '') return '-';
  return harmless(String(value));
}

/** Takes from the widest until all fit. */
function fitted(wanted: readonly number[], width: number | undefined): number[] {
  const widths = [...wanted];
  if (width === undefined) return widths;
  const total = () =>
    widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1);
  for (;;) {
    const widest = Math.max(...widths);
    if (total() <= width || widest <= MIN_WIDTH) return widths;
    widths[widths.indexOf(widest)] = widest - 1;
  }
}
