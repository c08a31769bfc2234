import { auditApi } from './audit/audit.api.js';
import { billingApi } from './billing/billing.api.js';
import { adminApi } from './auth/admin.api.js';
import { apiKeysApi } from './auth/api-keys.api.js';
import { authApi } from './auth/auth.api.js';
import { featuresApi } from './auth/features.api.js';
import { organizationsApi } from './auth/organizations.api.js';
import { deadLettersApi } from './jobs/dead-letters.api.js';
import { dashboardApi } from './dashboard/dashboard.api.js';
import { dependenciesApi } from './jobs/dependencies.api.js';
import { jobsApi } from './jobs/jobs.api.js';
import { operationsApi } from './operations/operations.api.js';
import { queuesApi } from './queues/queues.api.js';
import { realtimeApi } from './realtime/realtime.api.js';
import type { RouteSpec } from './route.js';
import { schedulesApi } from './schedules/schedules.api.js';
import { ingestionApi } from './webhooks/ingestion.api.js';
import { webhooksApi } from './webhooks/webhooks.api.js';
import { workersApi } from './workers/workers.api.js';
import { workflowsApi } from './workflows/workflows.api.js';

/** Every route of the product. */
export const routes: readonly RouteSpec[] = [
  ...Object.values(jobsApi),
  ...Object.values(deadLettersApi),
  ...Object.values(dependenciesApi),
  ...Object.values(workflowsApi),
  ...Object.values(queuesApi),
  ...Object.values(dashboardApi),
  ...Object.values(workersApi),
  ...Object.values(schedulesApi),
  ...Object.values(webhooksApi),
  ...Object.values(ingestionApi),
  ...Object.values(realtimeApi),
  ...Object.values(organizationsApi),
  ...Object.values(apiKeysApi),
  ...Object.values(authApi),
  ...Object.values(adminApi),
  ...Object.values(auditApi),
  ...Object.values(billingApi),
  ...Object.values(featuresApi),
  ...Object.values(operationsApi),
];
