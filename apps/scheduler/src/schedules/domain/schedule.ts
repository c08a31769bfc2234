import {
  AppError,
  type CreateScheduleRequest,
  type Schedule,
  type UpdateScheduleRequest,
} from '@spooled/contracts';

/** What its owner says about a schedule. */
export interface Definition {
  readonly name: string;
  readonly description: string | null;
  readonly cronExpression: string;
  readonly timezone: string;
  readonly queueName: string;
  readonly payloadTemplate: unknown;
  readonly priority: number;
  /** Null: as the queue says. */
  readonly maxRetries: number | null;
  /** Null: as the queue says. */
  readonly timeoutSeconds: number | null;
  readonly tags: unknown;
  readonly metadata: Record<string, unknown> | null;
}

/** A schedule as it is stored. */
export interface ScheduleRow {
  readonly organization_id: string;
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly cron_expression: string;
  readonly timezone: string;
  readonly queue_name: string;
  readonly payload_template: unknown;
  readonly priority: number;
  readonly max_retries: number | null;
  readonly timeout_seconds: number | null;
  readonly tags: unknown;
  readonly metadata: Record<string, unknown> | null;
  readonly is_active: boolean;
  readonly next_run_at: Date;
  readonly last_run_at: Date | null;
  readonly run_count: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** What holds for jobs of queues that say nothing themselves. */
export interface JobDefaults {
  readonly maxRetries: number;
  readonly timeoutSeconds: number;
}

export function defined(request: CreateScheduleRequest): Definition {
  return {
    name: request.name,
    description: request.description ?? null,
    cronExpression: request.cron_expression,
    timezone: request.timezone ?? 'UTC',
    queueName: request.queue_name,
    payloadTemplate: request.payload_template,
    priority: request.priority ?? 0,
    maxRetries: request.max_retries ?? null,
    timeoutSeconds: request.timeout_seconds ?? null,
    tags: request.tags ?? null,
    metadata: request.metadata ?? null,
  };
}

/** The definition after a change: what is left out stays, and null empties what may be empty. */
export function revised(row: ScheduleRow, request: UpdateScheduleRequest): Definition {
  const given = <T>(value: T | undefined, stored: T): T => (value === undefined ? stored : value);
  return {
    name: request.name ?? row.name,
    description: given(request.description, row.description),
    cronExpression: request.cron_expression ?? row.cron_expression,
    timezone: request.timezone ?? row.timezone,
    queueName: row.queue_name,
    payloadTemplate: given(request.payload_template, row.payload_template),
    priority: request.priority ?? row.priority,
    maxRetries: given(request.max_retries, row.max_retries),
    timeoutSeconds: given(request.timeout_seconds, row.timeout_seconds),
    tags: given(request.tags, row.tags),
    metadata: given(request.metadata, row.metadata),
  };
}

/** Whether a change moves the ticks. */
export function isRetimed(row: ScheduleRow, next: Definition): boolean {
  return row.cron_expression !== next.cronExpression || row.timezone !== next.timezone;
}

export function toWire(row: ScheduleRow, defaults: JobDefaults): Schedule {
  return {
    id: row.id,
    organization_id: row.organization_id,
    name: row.name,
    description: row.description,
    cron_expression: row.cron_expression,
    timezone: row.timezone,
    queue_name: row.queue_name,
    payload_template: row.payload_template,
    priority: row.priority,
    max_retries: row.max_retries ?? defaults.maxRetries,
    timeout_seconds: row.timeout_seconds ?? defaults.timeoutSeconds,
    is_active: row.is_active,
    last_run_at: row.last_run_at?.toISOString() ?? null,
    next_run_at: row.next_run_at.toISOString(),
    run_count: row.run_count,
    tags: row.tags,
    metadata: row.metadata,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export function unknownSchedule(): AppError {
  return new AppError('NOT_FOUND', 'There is no such schedule.');
}
