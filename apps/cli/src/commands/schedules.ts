import type { Command } from 'commander';

import { integer, jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { confirmed } from '../confirm.js';
import { toneOf } from '../output/style.js';
import { fields, table, type Page } from '../output/table.js';
import { relativeTime, wholeSeconds } from '../output/time.js';

interface MoreOptions {
  readonly timezone?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly maxRetries?: number;
  readonly timeout?: string;
  readonly tags?: string;
  readonly metadata?: string;
}

interface CreateOptions extends MoreOptions {
  readonly cron: string;
  readonly queue: string;
  readonly payload: string;
}

interface UpdateOptions extends MoreOptions {
  readonly name?: string;
  readonly cron?: string;
  readonly payload?: string;
}

interface ScheduleRow {
  readonly id: string;
  readonly name: string;
  readonly cronExpression: string;
  readonly timezone: string;
  readonly queueName: string;
  readonly isActive: boolean;
  readonly lastRunAt: string | null;
  readonly nextRunAt: string;
  readonly runCount: number;
}

const stateOf = ({ isActive }: ScheduleRow): string => (isActive ? 'active' : 'paused');

export function addSchedules(program: Command, cli: Cli): void {
  const schedules = program.command('schedules').description('jobs that are made by the clock');

  schedules
    .command('list')
    .description('schedules')
    .action(() =>
      cli.show(
        (client, options) => client.schedules.list({}, options),
        (rows, page) =>
          rows.length === 0
            ? 'No schedules.'
            : table<ScheduleRow>(
                rows,
                [
                  { title: 'ID', of: ({ id }) => id },
                  { title: 'NAME', of: ({ name }) => name },
                  { title: 'CRON', of: ({ cronExpression }) => cronExpression },
                  { title: 'QUEUE', of: ({ queueName }) => queueName },
                  { title: 'STATE', of: stateOf, tone: (row) => toneOf(stateOf(row)) },
                  {
                    title: 'NEXT',
                    of: (row) => (row.isActive ? relativeTime(row.nextRunAt) : null),
                  },
                ],
                page,
              ),
      ),
    );

  schedules
    .command('get <id>')
    .description('everything about a schedule')
    .action((id: string) =>
      cli.show(
        (client, options) => client.schedules.get(id, options),
        (schedule, page) =>
          `${describe(schedule, page)}\n${fields({ payload: JSON.stringify(schedule.payloadTemplate) }, page)}`,
      ),
    );

  withMore(
    schedules
      .command('create <name>')
      .description('a schedule that makes a job at each tick')
      .requiredOption('--cron <expression>', cronHelp)
      .requiredOption('-q, --queue <name>', 'where its jobs go')
      .option('-p, --payload <json>', 'JSON, @file, or - for stdin', '{}'),
  ).action(async (name: string, { cron, queue, payload, ...more }: CreateOptions) => {
    const payloadTemplate = await jsonArgument(payload);
    const rest = await moreOf(more);
    await cli.show(
      (client, options) =>
        client.schedules.create(
          { ...rest, name, cronExpression: cron, queueName: queue, payloadTemplate },
          options,
        ),
      ({ id, nextRunAt }) => `${id}, next ${relativeTime(nextRunAt)}`,
    );
  });

  withMore(
    schedules
      .command('update <id>')
      .description('change a schedule; what is left out stays')
      .option('--name <name>')
      .option('--cron <expression>', cronHelp)
      .option('-p, --payload <json>', 'JSON, @file, or - for stdin'),
  ).action(async (id: string, { name, cron, payload, ...more }: UpdateOptions) => {
    const payloadTemplate = payload === undefined ? undefined : await jsonArgument(payload);
    const rest = await moreOf(more);
    await cli.show(
      (client, options) =>
        client.schedules.update(
          id,
          { ...rest, name, cronExpression: cron, payloadTemplate },
          options,
        ),
      describe,
    );
  });

  for (const verb of ['pause', 'resume'] as const) {
    schedules
      .command(`${verb} <id>`)
      .description(verb === 'pause' ? 'no more ticks' : 'ticks again')
      .action((id: string) =>
        cli.show((client, options) => client.schedules[verb](id, options), describe),
      );
  }

  schedules
    .command('trigger <id>')
    .description('make a job of it now')
    .action((id: string) =>
      cli.show(
        (client, options) => client.schedules.trigger(id, options),
        ({ jobId }) => jobId,
      ),
    );

  schedules
    .command('history <id>')
    .description('its ticks, newest first')
    .option('-n, --limit <n>', '1 to 500', integer, 20)
    .action((id: string, { limit }: { readonly limit: number }) =>
      cli.show(
        (client, options) => client.schedules.getHistory(id, { limit }, options),
        (rows, page) =>
          rows.length === 0
            ? 'It has not run yet.'
            : table(
                rows,
                [
                  { title: 'WHEN', of: ({ startedAt }) => relativeTime(startedAt) },
                  {
                    title: 'STATUS',
                    of: ({ status }) => status,
                    tone: ({ status }) => toneOf(status),
                  },
                  { title: 'JOB', of: ({ jobId }) => jobId },
                  { title: 'JOB STATUS', of: ({ jobStatus }) => jobStatus },
                  { title: 'ERROR', of: ({ errorMessage }) => errorMessage },
                ],
                page,
              ),
      ),
    );

  schedules
    .command('delete <id>')
    .description('delete a schedule')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { yes }: { readonly yes?: boolean }) => {
      await confirmed(`Delete the schedule ${id}?`, yes);
      await cli.show(
        (client, options) => client.schedules.delete(id, options),
        () => `${id} is deleted.`,
        { id, deleted: true },
      );
    });
}

const cronHelp = 'five fields, or six with seconds first';

function withMore(command: Command): Command {
  return command
    .option('--timezone <zone>', 'such as Europe/Berlin; default UTC')
    .option('--description <text>')
    .option('--priority <n>', '-100 to 100', integer)
    .option('--max-retries <n>', 'default: as the queue says', integer)
    .option('--timeout <duration>', 'advice to the worker, such as 5m')
    .option('--tags <json>', 'JSON object or array, @file, or -')
    .option('--metadata <json>', 'JSON object, @file, or -; for who looks at it');
}

async function moreOf({ timeout, tags, metadata, ...given }: MoreOptions) {
  return {
    ...given,
    timeoutSeconds: timeout === undefined ? undefined : wholeSeconds(timeout),
    tags: (tags === undefined ? undefined : await jsonArgument(tags)) as never,
    metadata: (metadata === undefined ? undefined : await jsonArgument(metadata)) as never,
  };
}

function describe(schedule: ScheduleRow, page: Page): string {
  return fields(
    {
      id: schedule.id,
      name: schedule.name,
      cron: `${schedule.cronExpression} (${schedule.timezone})`,
      queue: schedule.queueName,
      state: stateOf(schedule),
      last: relativeTime(schedule.lastRunAt),
      next: schedule.isActive ? relativeTime(schedule.nextRunAt) : null,
      runs: schedule.runCount,
    },
    page,
  );
}
