import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { jobLogged, jobProgressed, queueChanged, workerHeartbeat } from '@spooled/contracts';
import { EventFeeds } from '@spooled/event-log';
import { Bus } from '@spooled/nats';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { REALTIME_CONFIG, type RealtimeConfig } from '../config.js';
import { Heartbeats } from './heartbeats.js';
import { JobReports } from './job-reports.js';
import { OrganizationHub } from './organization-hub.js';
import { QueueStats } from './queue-stats.js';
import { RealtimeMetrics } from './realtime-metrics.js';

interface Entry {
  readonly opening: Promise<OpenHub>;
  /** Set once it is open. */
  open?: OpenHub;
  connections: number;
}

interface OpenHub {
  readonly hub: OrganizationHub;
  readonly stats: QueueStats;
  readonly reports: JobReports;
  readonly heartbeats: Heartbeats;
}

/** The hubs of the organizations that have connections here. */
@Injectable()
export class Hubs implements OnModuleInit {
  readonly #entries = new Map<string, Entry>();

  constructor(
    private readonly feeds: EventFeeds,
    private readonly bus: Bus,
    private readonly metrics: RealtimeMetrics,
    @Inject(REALTIME_CONFIG) private readonly config: RealtimeConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.bus.onHint(queueChanged, ({ queueName }, organizationId) => {
      this.#entries.get(organizationId)?.open?.stats.note(queueName);
    });
    this.bus.onHint(workerHeartbeat, (data, organizationId) => {
      this.#entries.get(organizationId)?.open?.heartbeats.note(data);
    });
    const reportsOf = (organizationId: string): JobReports | undefined =>
      this.#entries.get(organizationId)?.open?.reports;
    // Workers may write much, and mostly nobody watches: then it is not even read.
    const isWanted = (organizationId: string): boolean =>
      reportsOf(organizationId)?.isWanted === true;
    this.bus.onHint(
      jobProgressed,
      (data, organizationId) => reportsOf(organizationId)?.noteProgress(data),
      isWanted,
    );
    this.bus.onHint(
      jobLogged,
      (data, organizationId) => reportsOf(organizationId)?.noteLog(data),
      isWanted,
    );
  }

  /** The organization's hub, following the log. Give it back with `release`. @throws AppError `SERVICE_UNAVAILABLE` */
  async acquire(organizationId: string): Promise<OrganizationHub> {
    const known = this.#entries.get(organizationId);
    const entry: Entry = known ?? { opening: this.#open(organizationId), connections: 0 };
    this.#entries.set(organizationId, entry);
    entry.connections += 1;
    try {
      entry.open = await entry.opening;
      return entry.open.hub;
    } catch (error) {
      if (this.#entries.get(organizationId) === entry) this.#entries.delete(organizationId);
      throw error;
    }
  }

  release({ organizationId }: OrganizationHub): void {
    const entry = this.#entries.get(organizationId);
    if (entry === undefined) return;
    entry.connections -= 1;
    if (entry.connections > 0 || entry.open === undefined) return;
    this.#entries.delete(organizationId);
    const { hub, stats, heartbeats, reports } = entry.open;
    stats.close();
    heartbeats.close();
    reports.close();
    hub.close();
    this.feeds.release(hub.feed);
  }

  async #open(organizationId: string): Promise<OpenHub> {
    const feed = await this.feeds.acquire(organizationId);
    const { config } = this;
    const hub: OrganizationHub = new OrganizationHub({
      feed,
      bus: this.bus,
      metrics: this.metrics,
      logger: this.logger,
      onEvents: (events) => {
        stats.noteEvents(events);
        heartbeats.noteEvents(events);
      },
      limits: {
        maxBufferBytes: config.REALTIME_MAX_BUFFER_BYTES,
        maxBufferEvents: config.REALTIME_MAX_BUFFER_EVENTS,
        slowGraceMs: config.REALTIME_SLOW_GRACE_MS,
        replayStallMs: config.REALTIME_REPLAY_STALL_MS,
      },
    });
    const stats = new QueueStats(hub, this.bus, config.REALTIME_QUEUE_STATS_INTERVAL_MS);
    const heartbeats = new Heartbeats(hub, config.REALTIME_HEARTBEAT_INTERVAL_MS);
    return { hub, stats, heartbeats, reports: new JobReports(hub) };
  }
}
