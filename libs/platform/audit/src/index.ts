export { adminActor, keyActor, recordAction, systemActor } from './audit.js';
export type { AuditEntry } from './audit.js';
export { auditMigrations } from './migrations.js';
