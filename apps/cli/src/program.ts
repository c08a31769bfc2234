/** All commands and what is common to them. */
import { Command } from 'commander';

import type { Cli } from './cli.js';
import { addAudit } from './commands/audit.js';
import { addBilling } from './commands/billing.js';
import { addCompletion } from './commands/completion.js';
import { addDeadLetters } from './commands/dlq.js';
import { addDev } from './commands/dev.js';
import { addDoctor } from './commands/doctor.js';
import { addEvents } from './commands/events.js';
import { addJobs } from './commands/jobs.js';
import { addKeys } from './commands/keys.js';
import { addListen } from './commands/listen.js';
import { addLogin } from './commands/login.js';
import { addOrganization } from './commands/organization.js';
import { addQueues } from './commands/queues.js';
import { addSchedules } from './commands/schedules.js';
import { addTop } from './commands/top.js';
import { addTrigger } from './commands/trigger.js';
import { addWebhooks } from './commands/webhooks.js';
import { addWorkers } from './commands/workers.js';
import { addWorkflows } from './commands/workflows.js';
import { exitCodeMeanings } from './exit-code.js';

/** Takes the common options before and after the words of a command. */
export function newProgram(version: string): Command {
  return new Command('spooled')
    .description('Spooled from the command line: jobs, queues, events, webhooks.')
    .version(version)
    .option('--json', 'one JSON document, or a line of JSON for each event')
    .option('--profile <name>', 'a server and key that `spooled login` kept')
    .option('--url <url>', 'the server; or SPOOLED_URL')
    .option('--api-key <key>', 'others on this machine may see it; rather SPOOLED_API_KEY')
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `\nExit codes:\n${exitCodeMeanings
        .map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`)
        .join('\n')}`,
    );
}

export function addCommands(program: Command, cli: Cli): void {
  addDev(program, cli);
  addLogin(program, cli);
  addJobs(program, cli);
  addEvents(program, cli);
  addListen(program, cli);
  addTrigger(program, cli);
  addDeadLetters(program, cli);
  addQueues(program, cli);
  addWorkers(program, cli);
  addSchedules(program, cli);
  addWorkflows(program, cli);
  addWebhooks(program, cli);
  addKeys(program, cli);
  addOrganization(program, cli);
  addBilling(program, cli);
  addAudit(program, cli);
  addTop(program, cli);
  addDoctor(program, cli);
  addCompletion(program, cli);
}
