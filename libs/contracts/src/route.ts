import type { z } from 'zod';
import type { ErrorCode } from './errors.js';

/** The services; each owns its routes, its Postgres schema and its room under `apps/`. */
export type ServiceName =
  | 'auth'
  | 'job-api'
  | 'worker-registry'
  | 'scheduler'
  | 'webhook-dispatcher'
  | 'realtime-gateway'
  | 'every';

/**
 * Who may call a route. `public`: nobody is asked; `key`: an API key or a JWT; `full-key`: a key whose queue
 * scope is unrestricted; `jwt`: a JWT only; `admin`: the admin key; `stream`: like `key`, and query credentials count too.
 */
export type RouteAuth = 'public' | 'key' | 'full-key' | 'jwt' | 'admin' | 'stream';

/** One REST route, from which the server's checks, the OpenAPI entry and the metric label all follow. */
export interface RouteSpec {
  readonly service: ServiceName;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path under `base`, with `:name` parameters. */
  readonly path: string;
  /** @default '/api/v1' */
  readonly base?: string;
  readonly auth: RouteAuth;
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** An absent or empty body counts as `{}`. */
  readonly bodyOptional?: boolean;
  /** The handler gets the body as the text it came in, unchecked: who signs a body signs its bytes. */
  readonly rawBody?: boolean;
  /** Answers are pages: the header `X-Has-More` says `true` or `false`. */
  readonly isPaged?: boolean;
  /** May wait for something to happen before it answers: being slow says nothing of it. */
  readonly mayWait?: boolean;
  /** Answers by status, the usual one first; `null` has no body, a string names another content type. */
  readonly responses: Readonly<Record<number, z.ZodType | string | null>>;
  readonly errors?: readonly ErrorCode[];
}

export function route<const S extends RouteSpec>(spec: S): S {
  return spec;
}

export const API_BASE = '/api/v1';

export function fullPath(spec: RouteSpec): string {
  return `${spec.base ?? API_BASE}${spec.path}`;
}
