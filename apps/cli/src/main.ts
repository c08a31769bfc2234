import { CommanderError, type Command } from 'commander';
import { SpooledError } from '@spooled/sdk';

import { Cli, type CommonOptions } from './cli.js';
import { readEnvironment } from './environment.js';
import { CliError, exitCodeOf, exitCodes, type ExitCode } from './exit-code.js';
import { Output } from './output/output.js';
import { harmless } from './output/text.js';
import { addCommands, newProgram } from './program.js';

const interrupt = new AbortController();
process.exitCode = await main(process.argv);
// What is left open, such as an idle connection, must not keep the shell waiting.
process.stdout.write('', () => process.exit());

async function main(argv: readonly string[]): Promise<ExitCode> {
  watchSignals();
  const environment = readEnvironment();
  const program = newProgram(environment.version);
  const cli = new Cli(environment, interrupt.signal, () => program.opts<CommonOptions>());
  addCommands(program, cli);
  tame(program);
  try {
    await program.parseAsync(argv);
    return interrupt.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
  } catch (error) {
    if (interrupt.signal.aborted) return exitCodes.interrupted;
    // Help and version are no failures.
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    // Called without a command; the help has been written already.
    if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.usage;
    // Arguments that were not understood are searched by hand for the wish to be told in JSON.
    const isJson = argv.includes('--json');
    report(error, new Output({ isJson, allowsColor: environment.allowsColor }));
    return error instanceof CommanderError ? exitCodes.usage : exitCodeOf(error);
  }
}

/** Two signals closer together than this are one: a terminal sends Ctrl-C to npx and to us, and npx passes its own on. */
const SAME_KEY_PRESS_MS = 1_000;

/** The first signal asks for an end; the second does not ask. */
function watchSignals(): void {
  let askedAt = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const isSecond = interrupt.signal.aborted;
      if (isSecond && performance.now() - askedAt > SAME_KEY_PRESS_MS) {
        process.exit(exitCodes.interrupted);
      }
      if (isSecond) return;
      askedAt = performance.now();
      interrupt.abort(new CliError('Interrupted.', exitCodes.interrupted, 'INTERRUPTED'));
    });
  }
  // `spooled events | head` has what it wanted.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    process.exit(code === 'EPIPE' ? exitCodes.ok : exitCodes.failure);
  });
}

/** Commander would end the process, and write its own errors: both are done here, for every command the same. */
function tame(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined });
  for (const each of command.commands) tame(each);
}

function report(error: unknown, output: Output): void {
  if (error instanceof SpooledError) {
    const { code, message, status, requestId, details, extra } = error;
    // The message names the first field itself.
    const more = details
      ?.slice(1)
      .map((each) => `\n  ${harmless(`${each.field}: ${each.message}`)}`);
    output.failure(
      { code, message, status, request_id: requestId, details, ...extra },
      `${harmless(message)}${more?.join('') ?? ''}`,
    );
  } else if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, '');
    output.failure({ code: 'USAGE', message }, message);
  } else {
    const { message } = error as Error;
    const code = error instanceof CliError ? error.code : 'UNEXPECTED';
    output.failure({ code, message }, message);
  }
}
