import { parseJson } from '@spooled/contracts';
import { NetworkError, SpooledError } from '@spooled/sdk';

import type { Cli } from '../cli.js';
import { CliError, exitCodes } from '../exit-code.js';
import { harmless } from '../output/text.js';

interface Explanation {
  readonly message: string;
}

export async function why(cli: Cli, id: string): Promise<void> {
  const explanation = await explain(cli, id);
  await cli.output.result(explanation, () => harmless(explanation.message));
}

/** The client has no name for this route yet, so it is called by its path, here and nowhere else. */
async function explain({ account, signal }: Cli, id: string): Promise<Explanation> {
  if (account.apiKey === undefined) {
    throw new CliError('Not signed in: run `spooled login`.', exitCodes.auth, 'NOT_SIGNED_IN');
  }
  const response = await fetch(`${account.url}/api/v1/jobs/${encodeURIComponent(id)}/why`, {
    headers: { authorization: `Bearer ${account.apiKey}` },
    signal,
  }).catch((error: unknown) => {
    if (signal.aborted) throw signal.reason;
    throw new NetworkError('the server cannot be reached', error);
  });
  const text = await response.text();
  if (response.ok) return parseJson(text) as Explanation;
  throw errorOf(response.status, text);
}

function errorOf(status: number, text: string): SpooledError {
  try {
    const { code, message } = JSON.parse(text) as { code?: string; message?: string };
    return new SpooledError(message ?? `HTTP ${status}`, { code: code ?? 'UNKNOWN_ERROR', status });
  } catch {
    return new SpooledError(`HTTP ${status}`, { code: 'UNKNOWN_ERROR', status });
  }
}
