/** One thing that was looked at, and what was found. */
export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** What goes wrong while looking is a finding too. */
export async function looked(name: string, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    const { message } = error as Error;
    return [{ name, status: 'failed', message: message === '' ? String(error) : message }];
  }
}
