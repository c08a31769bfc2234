import { adminApi } from './auth/admin.api.js';
import { apiKeysApi } from './auth/api-keys.api.js';
import { authApi } from './auth/auth.api.js';
import { organizationsApi } from './auth/organizations.api.js';
import { jobsApi } from './jobs/jobs.api.js';
import { operationsApi } from './operations/operations.api.js';
import { queuesApi } from './queues/queues.api.js';
import { realtimeApi } from './realtime/realtime.api.js';
import type { RouteSpec } from './route.js';
import { workersApi } from './workers/workers.api.js';

/** Every route of the product. */
export const routes: readonly RouteSpec[] = [
  ...Object.values(jobsApi),
  ...Object.values(queuesApi),
  ...Object.values(workersApi),
  ...Object.values(realtimeApi),
  ...Object.values(organizationsApi),
  ...Object.values(apiKeysApi),
  ...Object.values(authApi),
  ...Object.values(adminApi),
  ...Object.values(operationsApi),
];
