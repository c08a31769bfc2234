import { AuthenticationError } from './errors.js';
import { Http, type Credential, type RetryOptions } from './http.js';
import { ApiKeysResource } from './resources/api-keys.js';
import { AuthResource } from './resources/auth.js';
import { JobsResource } from './resources/jobs.js';
import { DashboardResource, HealthResource } from './resources/operations.js';
import { OrganizationsResource } from './resources/organizations.js';
import { QueuesResource } from './resources/queues.js';
import { SchedulesResource } from './resources/schedules.js';
import { WorkersResource } from './resources/workers.js';
import { WorkflowsResource } from './resources/workflows.js';

export interface SpooledClientOptions {
  readonly apiKey?: string;
  /** Instead of a key. A function is asked before each call. */
  readonly accessToken?: string | (() => string | Promise<string>);
  /** Gets a new access token when a fixed one is refused. */
  readonly refreshToken?: string;
  /** Default: http://localhost:8080 */
  readonly baseUrl?: string;
  /** For each try of a call. Default 30000. */
  readonly timeoutMs?: number;
  readonly retry?: RetryOptions;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
}

export class SpooledClient {
  readonly jobs: JobsResource;
  readonly queues: QueuesResource;
  readonly workers: WorkersResource;
  readonly schedules: SchedulesResource;
  readonly workflows: WorkflowsResource;
  readonly organizations: OrganizationsResource;
  readonly apiKeys: ApiKeysResource;
  readonly auth: AuthResource;
  readonly dashboard: DashboardResource;
  readonly health: HealthResource;
  private readonly http: Http;

  constructor(private readonly options: SpooledClientOptions = {}) {
    // An option that is given as undefined is one that is not given.
    this.http = new Http({
      ...options.retry,
      baseUrl: (options.baseUrl ?? 'http://localhost:8080').replace(/\/+$/, ''),
      timeoutMs: options.timeoutMs ?? 30_000,
      headers: options.headers ?? {},
      fetch: options.fetch ?? ((...call) => fetch(...call)),
      credential: this.credential(),
    });
    this.jobs = new JobsResource(this.http);
    this.queues = new QueuesResource(this.http);
    this.workers = new WorkersResource(this.http);
    this.schedules = new SchedulesResource(this.http);
    this.workflows = new WorkflowsResource(this.http);
    this.organizations = new OrganizationsResource(this.http);
    this.apiKeys = new ApiKeysResource(this.http);
    this.auth = new AuthResource(this.http);
    this.dashboard = new DashboardResource(this.http);
    this.health = new HealthResource(this.http);
  }

  private credential(): Credential {
    const { apiKey, accessToken, refreshToken } = this.options;
    if (typeof accessToken === 'function') return { token: accessToken };
    let token = accessToken ?? apiKey;
    if (accessToken === undefined || refreshToken === undefined) return { token: () => token };
    let renewing: Promise<boolean> | undefined;
    const refresh = async (): Promise<boolean> => {
      try {
        token = (await this.auth.refresh({ refreshToken })).accessToken;
        return true;
      } catch (error) {
        if (error instanceof AuthenticationError) return false;
        throw error;
      }
    };
    return {
      token: () => token,
      // Many calls may be refused at once; one refresh is enough for all.
      renew: () => (renewing ??= refresh().finally(() => (renewing = undefined))),
    };
  }
}
