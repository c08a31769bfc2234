export { SpooledClient } from './client.js';
export type { EventOptions, SpooledClientOptions } from './client.js';
export {
  AuthenticationError,
  AuthorizationError,
  ConflictError,
  NetworkError,
  NotFoundError,
  PayloadTooLargeError,
  RateLimitError,
  ServerError,
  SpooledError,
  TimeoutError,
  ValidationError,
} from './errors.js';
export type { SpooledErrorCode } from './errors.js';
export type { CallOptions, RetryOptions } from './http.js';
export type { Answer, Body, Query } from './routes.js';
export type { BulkEnqueueParams, CreateJobParams, Job } from './resources/jobs.js';
export type {
  EventByName,
  EventFilter,
  EventName,
  EventSelector,
  GapEvent,
  SpooledEvent,
} from './realtime/events.js';
export type {
  ConnectionState,
  EventFeed,
  FeedOptions,
  FilterRefusal,
  TransportName,
} from './realtime/feed.js';
export type {
  SpooledRealtime,
  SubscriptionFilter,
  SubscriptionRefusal,
} from './realtime/realtime.js';
export type { ClaimedJob, JobContext, JobHandler, LogLevel } from './worker/job-context.js';
export { LeaseLostError } from './worker/lease.js';
export { SpooledWorker } from './worker/worker.js';
export type { SpooledWorkerOptions, WorkerEvents, WorkerState } from './worker/worker.js';
