/** A state, told by its word and a colour; unknown ones are grey. */
export function StatusBadge({
  status,
  label = status,
}: {
  readonly status: string;
  readonly label?: string;
}) {
  return (
    <span className="badge" data-status={status}>
      {label}
    </span>
  );
}
