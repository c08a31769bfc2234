import { AuthenticationError, NetworkError, SpooledError } from './errors.js';
import { Http, type CallOptions, type Credential, type RetryOptions } from './http.js';
import type { EventFilter } from './realtime/events.js';
import { EventFeed, type FeedOptions } from './realtime/feed.js';
import { SpooledRealtime } from './realtime/realtime.js';
import { AdminResource } from './resources/admin.js';
import { ApiKeysResource } from './resources/api-keys.js';
import { AuditResource } from './resources/audit.js';
import { AuthResource } from './resources/auth.js';
import { BillingResource } from './resources/billing.js';
import { IngestResource } from './resources/ingest.js';
import { JobsResource, type Job } from './resources/jobs.js';
import { DashboardResource, FeaturesResource, HealthResource } from './resources/operations.js';
import { OrganizationsResource } from './resources/organizations.js';
import { QueuesResource } from './resources/queues.js';
import { SchedulesResource } from './resources/schedules.js';
import { WebhooksResource } from './resources/webhooks.js';
import { WorkersResource } from './resources/workers.js';
import { WorkflowsResource } from './resources/workflows.js';

export interface SpooledClientOptions {
  readonly apiKey?: string;
  /** Instead of a key. A function is asked before each call. */
  readonly accessToken?: string | (() => string | Promise<string>);
  /** Gets a new access token when a fixed one is refused. */
  readonly refreshToken?: string;
  /**
   * Instead of a key in a browser: asks your own server for a ticket (`client.auth.createTicket()` there). Opens streams
   * only. What it rejects with is tried again, unless it is an `AuthenticationError`.
   */
  readonly getTicket?: () => Promise<string>;
  /** For `client.admin`, and for making organizations where registration is closed. Sent with nothing else. */
  readonly adminKey?: string;
  /** Default: http://localhost:8080 */
  readonly baseUrl?: string;
  /** For each try of a call. Default 30000. */
  readonly timeoutMs?: number;
  readonly retry?: RetryOptions;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: typeof fetch;
  /** Reads answers and events. Default `JSON.parse`, which rounds numbers beyond 2^53 in payloads and results. */
  readonly parseJson?: (text: string) => unknown;
}

/** What `events` follows; nothing given means everything the credential allows. */
export interface EventOptions extends FeedOptions, EventFilter {}

const ended: ReadonlySet<string> = new Set(['completed', 'failed', 'deadletter', 'cancelled']);

export class SpooledClient {
  readonly jobs: JobsResource;
  readonly queues: QueuesResource;
  readonly workers: WorkersResource;
  readonly schedules: SchedulesResource;
  readonly workflows: WorkflowsResource;
  readonly webhooks: WebhooksResource;
  /** What comes in from other systems. */
  readonly ingest: IngestResource;
  readonly organizations: OrganizationsResource;
  readonly apiKeys: ApiKeysResource;
  readonly auth: AuthResource;
  readonly audit: AuditResource;
  readonly billing: BillingResource;
  /** The whole platform, with `adminKey`. */
  readonly admin: AdminResource;
  readonly dashboard: DashboardResource;
  readonly features: FeaturesResource;
  readonly health: HealthResource;
  /** What calls are sent with now. */
  readonly credential: Credential;
  private readonly http: Http;

  constructor(private readonly options: SpooledClientOptions = {}) {
    this.credential = this.credentialOf(options);
    // An option that is given as undefined is one that is not given.
    this.http = new Http({
      ...options.retry,
      baseUrl: (options.baseUrl ?? 'http://localhost:8080').replace(/\/+$/, ''),
      timeoutMs: options.timeoutMs ?? 30_000,
      headers: options.headers ?? {},
      fetch: options.fetch ?? ((...call) => fetch(...call)),
      parseJson: options.parseJson ?? ((text): unknown => JSON.parse(text)),
      credential: this.credential,
    });
    this.jobs = new JobsResource(this.http, (id, call) => this.waitForJob(id, call));
    this.queues = new QueuesResource(this.http);
    this.workers = new WorkersResource(this.http);
    this.schedules = new SchedulesResource(this.http);
    this.workflows = new WorkflowsResource(this.http);
    this.webhooks = new WebhooksResource(this.http);
    this.ingest = new IngestResource(this.http);
    this.organizations = new OrganizationsResource(this.http, options.adminKey);
    this.apiKeys = new ApiKeysResource(this.http);
    this.auth = new AuthResource(this.http);
    this.audit = new AuditResource(this.http);
    this.billing = new BillingResource(this.http);
    this.admin = new AdminResource(this.http, options.adminKey);
    this.dashboard = new DashboardResource(this.http);
    this.features = new FeaturesResource(this.http);
    this.health = new HealthResource(this.http);
  }

  /** To be iterated; goes on over reconnects without losing an event, or says `gap`. */
  events({ queue, jobId, workerId, ...options }: EventOptions = {}): EventFeed {
    const isFiltered = (queue ?? jobId ?? workerId) !== undefined;
    const filters = isFiltered ? [{ queue, jobId, workerId }] : [];
    return this.feed(options, filters, false);
  }

  /** The same by handler, with subscriptions that come and go. */
  realtime({ since, ...options }: Omit<FeedOptions, 'signal'> = {}): SpooledRealtime {
    return new SpooledRealtime(
      (filters, cursor, signal) => this.feed({ ...options, since: cursor, signal }, filters, true),
      since,
    );
  }

  private feed(options: FeedOptions, filters: readonly EventFilter[], isChangeable: boolean) {
    const { getTicket } = this.options;
    return new EventFeed(
      this.http,
      options,
      getTicket && ticketsOf(getTicket),
      filters,
      isChangeable,
    );
  }

  /** Looks whenever the stream is open, and whenever the job is said to have changed: no end can be missed. */
  private async waitForJob(id: string, call: CallOptions = {}): Promise<Job> {
    const late = new AbortController();
    const signal = call.signal ? AbortSignal.any([call.signal, late.signal]) : late.signal;
    const { timeoutMs } = call;
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () =>
              late.abort(new SpooledError(`not ended within ${timeoutMs} ms`, { code: 'TIMEOUT' })),
            timeoutMs,
          );
    const feed = this.events({ jobId: id, events: ['job.status'], signal });
    try {
      for await (const frame of feed.frames()) {
        if (frame.kind === 'alive') continue;
        const job = await this.jobs.get(id, { signal });
        if (ended.has(job.status)) return job;
      }
      throw signal.reason;
    } finally {
      clearTimeout(timer);
    }
  }

  private credentialOf({ apiKey, accessToken, refreshToken }: SpooledClientOptions): Credential {
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

function ticketsOf(getTicket: () => Promise<string>): () => Promise<string> {
  return () =>
    getTicket().catch((error: unknown) => {
      throw error instanceof SpooledError ? error : new NetworkError('no ticket', error);
    });
}
