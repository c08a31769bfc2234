import type { ReactNode } from 'react';

export interface Column<T> {
  readonly title: string;
  /** Instead of the title at the head. */
  readonly head?: ReactNode;
  readonly cell: (row: T) => ReactNode;
  /** Right-aligned, in figures of one width. */
  readonly isNumber?: boolean;
}

/** A table for up to a few hundred rows. Give `children` for what to show when there is none. */
export function Table<T>({
  label,
  columns,
  rows,
  rowKey,
  children,
}: {
  /** Says to a screen reader what is listed. */
  readonly label: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly rowKey: (row: T) => string;
  readonly children: ReactNode;
}) {
  if (rows.length === 0) return <>{children}</>;
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={label}>
      <table className="table">
        <thead>
          <tr>
            {columns.map(({ title, head = title, isNumber }) => (
              <th key={title} scope="col" className={isNumber ? 'number' : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map(({ title, cell, isNumber }) => (
                <td key={title} className={isNumber ? 'number' : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
