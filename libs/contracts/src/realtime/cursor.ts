/** A position in an organization's event log: `<epoch>-<seq>`. Opaque to clients. */
export interface Cursor {
  /** Made with the database; another epoch means another history. */
  readonly epoch: string;
  /** Dense per organization, from 1; 0 is before the first event. */
  readonly seq: number;
}

const CURSOR = /^([0-9a-z]{1,32})-(0|[1-9][0-9]{0,15})$/;

export function formatCursor(epoch: string, seq: number): string {
  return `${epoch}-${seq}`;
}

/** `null` when the text is no cursor at all. */
export function parseCursor(text: string): Cursor | null {
  const match = CURSOR.exec(text);
  if (match === null) return null;
  const seq = Number(match[2]);
  return Number.isSafeInteger(seq) ? { epoch: match[1] as string, seq } : null;
}
