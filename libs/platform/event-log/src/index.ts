export { EventLog } from './event-log.js';
export type { EventLogEntry } from './event-log.js';
export { EventFeedsModule, EventLogModule } from './event-log.module.js';
export { EventFeeds } from './event-feeds.js';
export { OrganizationFeed } from './organization-feed.js';
export type { FeedEvent, FeedListener } from './organization-feed.js';
export { eventLogMigrations } from './migrations.js';
