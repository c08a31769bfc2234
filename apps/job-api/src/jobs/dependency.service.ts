import { Injectable } from '@nestjs/common';
import {
  AppError,
  isUuid,
  type AddDependenciesRequest,
  type DependencyMode,
  type Principal,
} from '@spooled/contracts';
import { scopeOf, unknownJob } from './job.service.js';
import { DependencyRepository, type Neighbour } from './store/dependency.repository.js';
import { JobRepository } from './store/job.repository.js';

/** Use cases around jobs that wait for other jobs. */
@Injectable()
export class DependencyService {
  constructor(
    private readonly jobs: JobRepository,
    private readonly dependencies: DependencyRepository,
  ) {}

  /** @throws AppError `NOT_FOUND` */
  async read(caller: Principal, jobId: string) {
    const scope = scopeOf(caller);
    const job = await this.jobs.read(scope, jobId);
    if (job === undefined) throw unknownJob();
    const { dependencies, dependents } = await this.dependencies.neighbours(scope, jobId);
    const mode = job.dependency_mode ?? 'all';
    return {
      job_id: job.id,
      status: job.status,
      dependency_mode: mode,
      dependencies: dependencies.map((each) => toDependency(each, mode)),
      dependents: dependents.map((each) => toDependency(each, each.dependency_mode)),
      dependencies_met: job.dependencies_met,
    };
  }

  /** @throws AppError `NOT_FOUND`, `CONFLICT` when the job has begun or ended, or could never run */
  async add(caller: Principal, jobId: string, request: AddDependenciesRequest) {
    const scope = scopeOf(caller);
    const parentIds =
      request.depends_on ?? request.depends_on_job_ids ?? request.dependency_job_ids;
    const mode = request.dependency_mode ?? request.dependency_type ?? 'all';
    if (!isUuid(jobId)) throw unknownJob();
    if (parentIds?.every(isUuid) !== true) throw new AppError('NOT_FOUND', 'Dependency not found');
    const outcome = await this.dependencies.add(scope, jobId, parentIds, mode);
    if (outcome === undefined) {
      const job = await this.jobs.read(scope, jobId);
      if (job === undefined) throw unknownJob();
      throw new AppError('CONFLICT', `A job that is ${job.status} can gain no dependencies.`);
    }
    const { addedIds, isMet } = outcome;
    return {
      job_id: jobId,
      dependencies_added: addedIds.length,
      added: addedIds.length,
      added_count: addedIds.length,
      dependencies: addedIds.map((id) => ({
        job_id: jobId,
        depends_on_job_id: id,
        dependency_type: mode,
      })),
      dependencies_met: isMet,
    };
  }
}

function toDependency({ id, queue_name, status }: Neighbour, mode: DependencyMode) {
  return {
    job_id: id,
    queue_name,
    status,
    completed: status === 'completed',
    dependency_type: mode,
  };
}
