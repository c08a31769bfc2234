export { SpooledClient } from './client.js';
export type { SpooledClientOptions } from './client.js';
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
