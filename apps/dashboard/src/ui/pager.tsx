/** Previous and next of a list of which the server gives a part at a time. Pages count from 1. */
export function Pager({
  page,
  hasMore,
  onPage,
}: {
  readonly page: number;
  readonly hasMore: boolean;
  readonly onPage: (page: number) => void;
}) {
  if (page === 1 && !hasMore) return null;
  return (
    <nav className="pager" aria-label="Pages of the list">
      <button
        type="button"
        className="button"
        disabled={page === 1}
        onClick={() => onPage(page - 1)}
      >
        Newer
      </button>
      <span className="tabular">Page {page}</span>
      <button type="button" className="button" disabled={!hasMore} onClick={() => onPage(page + 1)}>
        Older
      </button>
    </nav>
  );
}
