import { z } from 'zod';
import { route } from '../route.js';
import { text } from '../text.js';
import { jobStatus } from './job.schema.js';

const service = 'job-api' as const;

/** Whether every dependency must complete, or the first one that does is enough. */
export const dependencyMode = z.enum(['all', 'any']);
export type DependencyMode = z.output<typeof dependencyMode>;

const ids = z.array(text(1, 255)).min(1).max(100);
const lenientMode = z
  .unknown()
  .transform((value): DependencyMode | undefined => {
    if (value == null) return undefined;
    return value === 'any' ? 'any' : 'all';
  })
  .describe('`all` or `any`; anything else means `all`');

/** Published clients disagree on the names; the first that is given counts. */
export const addDependenciesRequest = z
  .object({
    depends_on: ids.nullish(),
    depends_on_job_ids: ids.nullish().describe('alias of depends_on'),
    dependency_job_ids: ids.nullish().describe('alias of depends_on'),
    dependency_mode: lenientMode.optional(),
    dependency_type: lenientMode.optional().describe('alias of dependency_mode'),
  })
  .refine(
    (body) => (body.depends_on ?? body.depends_on_job_ids ?? body.dependency_job_ids) != null,
    { path: ['depends_on'], message: 'is required' },
  );
export type AddDependenciesRequest = z.output<typeof addDependenciesRequest>;

const dependency = z.object({
  job_id: z.string(),
  queue_name: z.string(),
  status: jobStatus,
  completed: z.boolean(),
  dependency_type: dependencyMode,
});

export const dependenciesApi = {
  get: route({
    service,
    method: 'GET',
    path: '/jobs/:id/dependencies',
    auth: 'key',
    summary: 'Read what a job waits for, and what waits for it.',
    responses: {
      200: z.object({
        job_id: z.string(),
        status: jobStatus,
        dependency_mode: dependencyMode,
        dependencies: z.array(dependency),
        dependents: z.array(dependency),
        dependencies_met: z.boolean(),
      }),
    },
    errors: ['NOT_FOUND'],
  }),
  add: route({
    service,
    method: 'POST',
    path: '/jobs/:id/dependencies',
    auth: 'key',
    summary:
      'Let a job that has not begun wait for others; edges that are there, or close a ring, are skipped.',
    body: addDependenciesRequest,
    responses: {
      200: z.object({
        job_id: z.string(),
        dependencies_added: z.int(),
        added: z.int(),
        added_count: z.int(),
        dependencies: z.array(
          z.object({
            job_id: z.string(),
            depends_on_job_id: z.string(),
            dependency_type: dependencyMode,
          }),
        ),
        dependencies_met: z.boolean(),
      }),
    },
    errors: ['NOT_FOUND', 'CONFLICT'],
  }),
};
