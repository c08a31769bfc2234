import { confirm, isCancel } from '@clack/prompts';

import { CliError, exitCodes, usageError } from './exit-code.js';

/** Goes on only with a yes. @throws CliError without one, and where nobody can be asked. */
export async function confirmed(question: string, isSure: boolean | undefined): Promise<void> {
  if (isSure) return;
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw usageError('Nobody can be asked here: say --yes.');
  }
  const answer = await confirm({ message: question, initialValue: false });
  if (isCancel(answer)) throw new CliError('Interrupted.', exitCodes.interrupted, 'INTERRUPTED');
  if (!answer) throw new CliError('Nothing was done.');
}
