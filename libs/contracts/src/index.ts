export { AppError, errorCatalogue, isErrorCode } from './errors.js';
export type { AppErrorOptions, ErrorCode, ErrorDefinition, FieldProblem } from './errors.js';
export { API_BASE, fullPath, route } from './route.js';
export type { RouteAuth, RouteSpec, ServiceName } from './route.js';
export { grpcMethod, PROTO_DIRECTORY, PROTO_FILES } from './grpc.js';
export type { GrpcSpec } from './grpc.js';
export { hint, rpc, rpcFailure } from './rpc.js';
export type { HintSpec, RpcSpec } from './rpc.js';
export {
  ALL_EVENT_SUBJECTS,
  EVENT_SHARDS,
  EVENT_STREAM,
  eventShard,
  eventSubject,
} from './subjects.js';
export {
  instant,
  isUuid,
  json,
  jsonObject,
  limit,
  offset,
  queueName,
  tags,
  text,
  timestamp,
} from './text.js';
export { effectiveLimits, planLimits, plans } from './auth/plans.js';
export type { PlanLimits, PlanTier } from './auth/plans.js';
export {
  canUseQueue,
  isTicket,
  isUnrestricted,
  principal,
  TICKET_PREFIX,
} from './auth/principal.js';
export type { Principal } from './auth/principal.js';
export { authChanged, authRpc } from './auth/auth.rpc.js';
export { adminApi } from './auth/admin.api.js';
export type {
  AdminCreateOrganizationRequest,
  AdminListQuery,
  AdminOrganization,
  AdminOrganizationList,
  AdminSummary,
  AdminUpdateOrganizationRequest,
  PlatformStats,
} from './auth/admin.api.js';
export { apiKeysApi } from './auth/api-keys.api.js';
export type {
  ApiKey,
  CreatedKey,
  CreateKeyRequest,
  UpdateKeyRequest,
} from './auth/api-keys.api.js';
export { authApi } from './auth/auth.api.js';
export type {
  AccessGrant,
  EmailCheck,
  EmailStarted,
  EmailVerified,
  EmailVerifyRequest,
  Identity,
  IssuedTicket,
  SessionGrant,
  SignupCompleted,
  SignupRequest,
  TicketRequest,
  Validation,
} from './auth/auth.api.js';
export { auditAction, auditActor, auditApi } from './audit/audit.api.js';
export type { AuditAction, AuditActor, AuditEntryWire, AuditQuery } from './audit/audit.api.js';
export { featuresApi } from './auth/features.api.js';
export type { Features } from './auth/features.api.js';
export { billingApi } from './billing/billing.api.js';
export type { BillingStatus } from './billing/billing.api.js';
export { organizationsApi, reservedSlugs, slug, slugFormat } from './auth/organizations.api.js';
export type {
  CreatedOrganization,
  CreateOrganizationRequest,
  IssuedKey,
  Member,
  Organization,
  OrganizationSummary,
  SlugCheck,
  UpdateOrganizationRequest,
  WebhookToken,
} from './auth/organizations.api.js';
export { usageInfo, usedResource } from './auth/usage.js';
export type { UsageInfo, UsageItem, UsageWarning, UsedResource } from './auth/usage.js';
export { countedResources, quotaRefusal, requirePayloadFits } from './auth/quota.js';
export type { CountedResource } from './auth/quota.js';
export {
  batchStatus,
  bulkItem,
  bulkRequest,
  bulkResponse,
  claimRequest,
  enqueueRequest,
  jobsApi,
  jobStats,
  listQuery,
} from './jobs/jobs.api.js';
export type {
  BatchStatus,
  BulkItem,
  BulkRequest,
  BulkResponse,
  ClaimRequest,
  EnqueueRequest,
  JobOrder,
  JobStats,
  ListQuery,
} from './jobs/jobs.api.js';
export { MAX_COUNTED_AHEAD, MAX_NAMED_DEPENDENCIES, why, whyReason } from './jobs/why.api.js';
export type { Why, WhyDetails, WhyReason } from './jobs/why.api.js';
export { bulkActionRequest, bulkPriorityRequest } from './jobs/bulk-actions.api.js';
export type {
  BulkActionRequest,
  BulkActionResponse,
  BulkFilter,
  BulkPriorityRequest,
} from './jobs/bulk-actions.api.js';
export { historyEvent, historyEventType } from './jobs/history.api.js';
export type { HistoryEvent, HistoryEventType, HistoryQuery } from './jobs/history.api.js';
export {
  addDependenciesRequest,
  dependenciesApi,
  dependencyMode,
} from './jobs/dependencies.api.js';
export type { AddDependenciesRequest, DependencyMode } from './jobs/dependencies.api.js';
export { createWorkflowRequest, workflowsApi, workflowStatus } from './workflows/workflows.api.js';
export type {
  CreateWorkflowRequest,
  Workflow,
  WorkflowDetail,
  WorkflowJob,
  WorkflowJobRequest,
  WorkflowStatus,
} from './workflows/workflows.api.js';
export { deadLettersApi, MAX_LISTED_PAYLOAD_BYTES } from './jobs/dead-letters.api.js';
export type {
  DeadLetter,
  DeadLetterQuery,
  PurgeDeadLettersRequest,
  RetryDeadLettersRequest,
} from './jobs/dead-letters.api.js';
export { claimedJob, job, jobStatus, jobSummary } from './jobs/job.schema.js';
export type { ClaimedJob, Job, JobStatus, JobSummary } from './jobs/job.schema.js';
export {
  enqueueCommand,
  jobLogged,
  jobSettled,
  jobProgressed,
  jobsRpc,
  queueChanged,
  queueCounters,
  workAvailable,
} from './jobs/jobs.rpc.js';
export type { EnqueueCommand, QueueCounters } from './jobs/jobs.rpc.js';
export {
  grpcCompleteRequest,
  grpcDequeueRequest,
  grpcFailRequest,
  grpcRenewLeaseRequest,
  jobsGrpc,
} from './jobs/jobs.grpc.js';
export type { GrpcJob, GrpcProcessError, GrpcProcessResponse } from './jobs/jobs.grpc.js';
export { MAX_QUEUE_SETTINGS_BYTES, queuesApi } from './queues/queues.api.js';
export type { ListedQueue, Queue, QueueConfig, QueueStats } from './queues/queues.api.js';
export { dashboardApi } from './dashboard/dashboard.api.js';
export type { Dashboard } from './dashboard/dashboard.api.js';
export { workersApi, workerStatus } from './workers/workers.api.js';
export type {
  HeartbeatRequest,
  RegisteredWorker,
  RegisterWorkerRequest,
  Worker,
  WorkerStatus,
  WorkerSummary,
} from './workers/workers.api.js';
export { workerHeartbeat, workersRpc } from './workers/workers.rpc.js';
export { workersGrpc } from './workers/workers.grpc.js';
export { scheduleRunStatus, schedulesApi } from './schedules/schedules.api.js';
export type {
  CreatedSchedule,
  CreateScheduleRequest,
  Schedule,
  ScheduleRun,
  ScheduleRunStatus,
  TriggeredSchedule,
  UpdateScheduleRequest,
} from './schedules/schedules.api.js';
export { schedulesRpc } from './schedules/schedules.rpc.js';
export { customWebhookRequest, ingestionApi } from './webhooks/ingestion.api.js';
export type { IngestedJob } from './webhooks/ingestion.api.js';
export { webhookEventName, webhooksApi } from './webhooks/webhooks.api.js';
export type {
  CreateWebhookRequest,
  DeliveryStatus,
  Redelivery,
  UpdateWebhookRequest,
  Webhook,
  WebhookDelivery,
  WebhookEventName,
  WebhookTest,
} from './webhooks/webhooks.api.js';
export { webhookEventOf } from './webhooks/webhook-event.js';
export type { WebhookEvent } from './webhooks/webhook-event.js';
export { webhooksRpc } from './webhooks/webhooks.rpc.js';
export { operationsApi } from './operations/operations.api.js';
export { realtimeApi, streamQuery } from './realtime/realtime.api.js';
export type { StreamQuery } from './realtime/realtime.api.js';
export { MAX_HELD_PER_TELL, streamsHeld } from './realtime/streams-held.js';
export type { StreamsHeld } from './realtime/streams-held.js';
export { eventTag } from './realtime/event-tag.js';
export { selectEvents } from './realtime/select-events.js';
export { eventsGrpc } from './realtime/events.grpc.js';
export type { GrpcEvent, GrpcSubscribeRequest } from './realtime/events.grpc.js';
export {
  controlEvent,
  eventNames,
  MAX_EVENT_BYTES,
  optInEvents,
  storedEvent,
} from './realtime/events.schema.js';
export type {
  ControlEvent,
  EventTag,
  JobLogData,
  JobProgressData,
  LoggedEvent,
  RealtimeEvent,
  StoredEvent,
} from './realtime/events.schema.js';
export { MAX_COMMAND_BYTES, webSocketCommand } from './realtime/commands.schema.js';
export type { SubscriptionFilter, WebSocketCommand } from './realtime/commands.schema.js';
export { formatCursor, parseCursor } from './realtime/cursor.js';
export type { Cursor } from './realtime/cursor.js';
export { eventBatch, eventLogRpc } from './events/event-batch.js';
export type { EventBatch } from './events/event-batch.js';
export { parseJson } from './lossless-json.js';
export { asyncApiDocument } from './asyncapi.js';
export { openApiDocument } from './openapi.js';
export { MAX_LIMITED_NAME_CHARS, MAX_NAMES_PER_TELL, trafficTold } from './traffic.js';
export type { TrafficTold } from './traffic.js';
export { routes } from './routes.js';
