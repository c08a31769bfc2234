/** The body of a delivery. */
export function envelope(
  id: string,
  { name, at, data }: { readonly name: string; readonly at: string; readonly data: unknown },
): string {
  return JSON.stringify({ id, event: name, created_at: at, data });
}
