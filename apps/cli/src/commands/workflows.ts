import type { Command } from 'commander';

import { integer, jsonArgument } from '../arguments.js';
import type { Cli } from '../cli.js';
import { toneOf } from '../output/style.js';
import { fields, table, type Page } from '../output/table.js';
import { relativeTime } from '../output/time.js';

interface WorkflowRow {
  readonly id: string;
  readonly name: string;
  readonly status: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled';
  readonly totalJobs: number;
  readonly completedJobs: number;
  readonly failedJobs: number;
  readonly createdAt: string;
}

interface ListOptions {
  readonly status?: WorkflowRow['status'];
  readonly limit?: number;
  readonly offset?: number;
}

export function addWorkflows(program: Command, cli: Cli): void {
  const workflows = program.command('workflows').description('jobs that wait for each other');

  workflows
    .command('create <definition>')
    .description('make a workflow of a definition as `POST /workflows` takes it: JSON, @file, or -')
    .action(async (given: string) => {
      const definition = await jsonArgument(given);
      await cli.show(
        (client, options) => client.workflows.create(definition as never, options),
        ({ workflowId }) => workflowId,
      );
    });

  workflows
    .command('list')
    .description('workflows, newest first')
    .option('-s, --status <status>', 'in this state only')
    .option('-n, --limit <n>', '1 to 100', integer, 20)
    .option('--offset <n>', 'leave out so many', integer)
    .action((query: ListOptions) =>
      cli.show(
        (client, options) => client.workflows.list({ ...query }, options),
        (rows, page) =>
          rows.length === 0
            ? 'No workflows.'
            : table<WorkflowRow>(
                rows,
                [
                  { title: 'ID', of: ({ id }) => id },
                  { title: 'NAME', of: ({ name }) => name },
                  {
                    title: 'STATUS',
                    of: ({ status }) => status,
                    tone: ({ status }) => toneOf(status),
                  },
                  { title: 'JOBS', of: progressOf, align: 'right' },
                  { title: 'CREATED', of: ({ createdAt }) => relativeTime(createdAt) },
                ],
                page,
              ),
      ),
    );

  workflows
    .command('get <id>')
    .description('a workflow and its jobs')
    .action((id: string) =>
      cli.show(
        (client, options) => client.workflows.get(id, options),
        (workflow, page) =>
          [
            describe(workflow, page),
            '',
            table(
              workflow.jobs,
              [
                { title: 'KEY', of: ({ key }) => key },
                { title: 'JOB', of: ({ id: jobId }) => jobId },
                { title: 'QUEUE', of: ({ queue }) => queue },
                {
                  title: 'STATUS',
                  of: ({ status }) => status,
                  tone: ({ status }) => toneOf(status),
                },
                { title: 'ERROR', of: ({ error }) => error?.message },
              ],
              page,
            ),
          ].join('\n'),
      ),
    );

  for (const verb of ['cancel', 'retry'] as const) {
    workflows
      .command(`${verb} <id>`)
      .description(
        verb === 'cancel'
          ? 'cancel what has not begun'
          : 'run what failed and its dependents again',
      )
      .action((id: string) =>
        cli.show((client, options) => client.workflows[verb](id, options), describe),
      );
  }
}

function progressOf({ completedJobs, totalJobs }: WorkflowRow): string {
  return `${completedJobs}/${totalJobs}`;
}

function describe(workflow: WorkflowRow, page: Page): string {
  return fields(
    {
      id: workflow.id,
      name: workflow.name,
      status: workflow.status,
      completed: progressOf(workflow),
      failed: workflow.failedJobs,
      created: relativeTime(workflow.createdAt),
    },
    page,
  );
}
