/** A state, told by its word and a colour; unknown ones are grey. */
export function StatusBadge({ status }: { readonly status: string }) {
  return (
    <span className="badge" data-status={status}>
      {status}
    </span>
  );
}
