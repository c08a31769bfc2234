import type { Command } from 'commander';
import type { EventSelector, SpooledEvent } from '@spooled/sdk';

import { integer, listed } from '../arguments.js';
import type { Cli } from '../cli.js';
import { follow } from '../events/stream.js';
import { toneOf, type Tone } from '../output/style.js';
import type { Page } from '../output/table.js';
import { harmless, padded } from '../output/text.js';
import { wireData } from '../output/wire.js';

interface EventsOptions {
  readonly queue?: string;
  readonly job?: string;
  readonly since?: string;
  readonly types?: readonly string[];
  readonly max?: number;
}

export function addEvents(program: Command, cli: Cli): void {
  program
    .command('events')
    .description('what happens, as it happens; survives restarts of the server')
    .option('-q, --queue <name>', 'of this queue only')
    .option('--job <id>', 'of this job only')
    .option('--since <cursor>', 'go on after this event')
    .option('--types <names>', 'such as job.completed,job.progress, or *', listed)
    .option('--max <n>', 'end after so many events', integer)
    .addHelpText(
      'after',
      '\nThe last column is the cursor, to be given as --since. A line `gap` says that events may be' +
        '\nmissing because the server no longer has them. Ends with code 130 on Ctrl-C.',
    )
    .action((options: EventsOptions) => tail(cli, options));
}

async function tail(cli: Cli, { queue, job, since, types, max }: EventsOptions): Promise<void> {
  const options = {
    ...(queue !== undefined && { queue }),
    ...(job !== undefined && { jobId: job }),
    ...(since !== undefined && { since }),
    ...(types !== undefined && { events: types as EventSelector[] }),
  };
  let count = 0;
  for await (const event of follow(cli, 'spooled events', options)) {
    await cli.output.item(documentOf(event), (page) => lineOf(event, page));
    if ((count += 1) === max) return;
  }
}

function documentOf({ id, type, timestamp, data }: SpooledEvent): object {
  return { id: id ?? null, type, timestamp, data: wireData(data) };
}

function lineOf(event: SpooledEvent, { paint }: Page): string {
  const { tone, subject, facts } = summaryOf(event);
  const time = new Date(event.timestamp).toLocaleTimeString(undefined, { hour12: false });
  return [
    paint('dim', time),
    paint(tone, padded(event.type, 19)),
    ...[subject, facts].filter((text) => text !== '').map(harmless),
    ...(event.id === undefined ? [] : [paint('dim', event.id)]),
  ].join('  ');
}

interface Summary {
  readonly tone?: Tone | undefined;
  readonly subject: string;
  readonly facts: string;
}

function summaryOf(event: SpooledEvent): Summary {
  switch (event.type) {
    case 'job.created': {
      const { status, priority, jobId, queueName } = event.data;
      return { subject: `${queueName}  ${jobId}`, facts: `${status}, priority ${priority}` };
    }
    case 'job.status': {
      const { oldStatus, newStatus, jobId, queueName, reason } = event.data;
      const why = reason === undefined ? '' : ` (${reason})`;
      return {
        tone: toneOf(newStatus),
        subject: `${queueName}  ${jobId}`,
        facts: `${oldStatus} -> ${newStatus}${why}`,
      };
    }
    case 'job.completed': {
      const { jobId, queueName, durationMs, result } = event.data;
      const told = result === undefined ? '' : `  ${JSON.stringify(result)}`;
      return {
        tone: 'good',
        subject: `${queueName}  ${jobId}`,
        facts: `after ${durationMs} ms${told}`,
      };
    }
    case 'job.failed': {
      const { jobId, queueName, error, willRetry } = event.data;
      const next = willRetry ? 'will be tried again' : 'dead letter';
      return { tone: 'bad', subject: `${queueName}  ${jobId}`, facts: `${error} (${next})` };
    }
    case 'gap':
      return { tone: 'warning', subject: '', facts: event.data.message };
    default: {
      const { timestamp: _, ...facts } = wireData(event.data);
      const told = Object.entries(facts).map(([key, value]) => `${key}=${shown(value)}`);
      return { subject: '', facts: told.join(' ') };
    }
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
