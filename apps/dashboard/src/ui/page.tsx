import type { ReactNode } from 'react';

/** The frame of a page: what it is, what can be done with all of it, and its content. */
export function PageFrame({
  title,
  description,
  actions,
  children,
}: {
  readonly title: ReactNode;
  readonly description?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  return (
    <>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          {description !== undefined && <p className="muted">{description}</p>}
        </div>
        {actions !== undefined && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

/** A part of a page with a heading of its own. */
export function Card({
  title,
  aside,
  isFlush = false,
  children,
}: {
  readonly title?: string;
  readonly aside?: ReactNode;
  /** Without padding, for tables and lists that reach the edge. */
  readonly isFlush?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <section className={isFlush ? 'card card-flush' : 'card'} aria-label={title}>
      {title !== undefined && (
        <header className="card-head">
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}
