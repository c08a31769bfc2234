import { Injectable } from '@nestjs/common';
import {
  AppError,
  canUseQueue,
  isUuid,
  quotaRefusal,
  type CreateWorkflowRequest,
  type Principal,
  type Workflow,
  type WorkflowDetail,
  type WorkflowJob,
  type WorkflowStatus,
} from '@spooled/contracts';
import { v7 as uuidv7 } from 'uuid';
import { newJob } from '../jobs/enqueue.service.js';
import { scopeOf } from '../jobs/job.service.js';
import type { NewJob } from '../jobs/store/enqueue.repository.js';
import { graphProblem } from './domain/graph.js';
import {
  WorkflowRepository,
  type MemberRow,
  type NewWorkflow,
} from './store/workflow.repository.js';

/** Use cases of whoever runs jobs that wait for each other. */
@Injectable()
export class WorkflowService {
  constructor(private readonly workflows: WorkflowRepository) {}

  /**
   * @throws AppError `ACCESS_DENIED`, `FEATURE_DISABLED`, `VALIDATION_ERROR` for what is no graph, `PAYLOAD_TOO_LARGE`,
   * `QUOTA_EXCEEDED`
   */
  async create(caller: Principal, request: CreateWorkflowRequest, traceparent: string | null) {
    const foreign = request.jobs.find((job) => !canUseQueue(caller, job.queue_name));
    if (foreign !== undefined) {
      throw new AppError('ACCESS_DENIED', `This key may not use the queue ${foreign.queue_name}.`);
    }
    // A plan without workflows says so whatever is wrong with this one.
    const refusal =
      caller.plan.max_workflows === 0 ? quotaRefusal(caller.plan, 'workflows', 0) : null;
    const problem = refusal ?? graphProblem(request.jobs);
    if (problem !== null) throw problem;
    const workflow = newWorkflow(caller, request, traceparent);
    await this.workflows.create(workflow, caller.plan);
    return {
      workflow_id: workflow.id,
      job_ids: workflow.jobs.map(({ key, job }) => ({ key, job_id: job.id })),
      status: 'pending' as const,
    };
  }

  async list(
    caller: Principal,
    query: { status?: WorkflowStatus | undefined; limit: number; offset: number },
  ): Promise<Workflow[]> {
    const { status = null, limit, offset } = query;
    return this.workflows.list(scopeOf(caller), { status, limit, offset });
  }

  /** @throws AppError `NOT_FOUND` */
  async read(caller: Principal, id: string): Promise<WorkflowDetail> {
    const workflow = await this.#require(caller, id);
    const members = await this.workflows.members(caller.organizationId, id);
    const count = (...statuses: string[]): number =>
      members.filter(({ status }) => statuses.includes(status)).length;
    return {
      ...workflow,
      organization_id: caller.organizationId,
      jobs: members.map((member) => toDetailJob(id, member)),
      dependencies: members.flatMap(({ id: child, parent_ids }) =>
        parent_ids.map((parent) => ({
          parent_job_id: parent,
          child_job_id: child,
          dependency_type: 'success' as const,
        })),
      ),
      progress: {
        total: workflow.total_jobs,
        completed: workflow.completed_jobs,
        failed: workflow.failed_jobs,
        pending: count('pending', 'scheduled'),
        processing: count('processing'),
      },
    };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT` when it has ended */
  async cancel(caller: Principal, id: string): Promise<Workflow> {
    return found(await this.workflows.cancel(scopeOf(caller), id));
  }

  /** @throws AppError `NOT_FOUND`, `VALIDATION_ERROR` unless it failed, `QUOTA_EXCEEDED` */
  async retry(caller: Principal, id: string): Promise<Workflow> {
    return found(await this.workflows.retry(scopeOf(caller), id, caller.plan));
  }

  /** @throws AppError `NOT_FOUND` */
  async jobs(caller: Principal, id: string): Promise<WorkflowJob[]> {
    const members = await this.#members(caller, id);
    const keys = new Map(members.map((member) => [member.id, member.key]));
    return members.map((member) => toWorkflowJob(id, member, keys));
  }

  /** @throws AppError `NOT_FOUND` */
  async job(caller: Principal, id: string, jobId: string): Promise<WorkflowJob> {
    const job = (await this.jobs(caller, id)).find((each) => each.id === jobId);
    if (job === undefined) throw new AppError('NOT_FOUND', 'Job not found in this workflow');
    return job;
  }

  /** @throws AppError `NOT_FOUND` */
  async jobStatuses(caller: Principal, id: string) {
    const members = await this.#members(caller, id);
    return members.map(({ id: jobId, key, status, percent }) => ({
      job_id: jobId,
      key,
      status,
      progress: percent,
    }));
  }

  async #members(caller: Principal, id: string): Promise<MemberRow[]> {
    await this.#require(caller, id);
    return this.workflows.members(caller.organizationId, id);
  }

  async #require(caller: Principal, id: string): Promise<Workflow> {
    return found(isUuid(id) ? await this.workflows.read(scopeOf(caller), id) : undefined);
  }
}

function found(workflow: Workflow | undefined): Workflow {
  if (workflow === undefined) throw new AppError('NOT_FOUND', 'Workflow not found');
  return workflow;
}

function newWorkflow(
  caller: Principal,
  request: CreateWorkflowRequest,
  traceparent: string | null,
): NewWorkflow {
  const id = uuidv7();
  const jobs = request.jobs.map((given) => {
    const parents = new Set(given.depends_on ?? []).size;
    const mode = given.dependency_mode ?? 'all';
    const job: NewJob = {
      ...newJob(caller, given.queue_name, { ...given, traceparent }),
      workflowId: id,
      dependencyMode: parents === 0 ? null : mode,
      waitingOn: parents === 0 ? null : parents,
    };
    return { key: given.key, job };
  });
  const byKey = new Map(jobs.map(({ key, job }) => [key, job]));
  return {
    organizationId: caller.organizationId,
    id,
    name: request.name,
    description: request.description ?? null,
    metadata: request.metadata == null ? null : JSON.stringify(request.metadata),
    jobs,
    dependencies: request.jobs.flatMap(({ key, depends_on }) =>
      [...new Set(depends_on ?? [])].map((parent) => ({
        child: byKey.get(key)!,
        parentId: byKey.get(parent)!.id,
      })),
    ),
  };
}

function toWorkflowJob(
  workflowId: string,
  member: MemberRow,
  keys: ReadonlyMap<string, string>,
): WorkflowJob {
  return {
    id: member.id,
    workflow_id: workflowId,
    key: member.key,
    queue_name: member.queue_name,
    status: member.status,
    payload: member.payload,
    result: member.result,
    error: member.last_error,
    // Jobs outside the workflow have no key.
    depends_on: member.parent_ids.map((id) => keys.get(id) ?? id),
    priority: member.priority,
    max_retries: member.max_retries,
    attempt: member.retry_count,
    timeout_seconds: member.timeout_seconds,
    created_at: member.created_at.toISOString(),
    started_at: member.started_at?.toISOString() ?? null,
    completed_at: member.completed_at?.toISOString() ?? null,
  };
}

function toDetailJob(workflowId: string, member: MemberRow): WorkflowDetail['jobs'][number] {
  return {
    id: member.id,
    organization_id: member.organization_id,
    queue: member.queue_name,
    key: member.key,
    job_type: jobType(member.payload),
    payload: member.payload,
    status: member.status,
    priority: member.priority,
    attempt: member.retry_count,
    max_retries: member.max_retries,
    backoff_type: 'exponential',
    timeout_ms: member.timeout_seconds * 1000,
    created_at: member.created_at.toISOString(),
    scheduled_at: member.scheduled_at?.toISOString() ?? null,
    started_at: member.started_at?.toISOString() ?? null,
    completed_at: member.completed_at?.toISOString() ?? null,
    result: member.result,
    error: member.last_error === null ? null : { type: 'Error', message: member.last_error },
    metadata: member.tags,
    workflow_id: workflowId,
    parent_job_id: member.parent_job_id,
  };
}

function jobType(payload: unknown): string {
  if (typeof payload !== 'object' || payload === null) return 'job';
  const { job_type: type } = payload as { job_type?: unknown };
  return typeof type === 'string' ? type : 'job';
}
