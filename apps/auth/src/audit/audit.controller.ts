import { Injectable } from '@nestjs/common';
import { auditApi, type AuditEntryWire } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { AuditTrailRepository, type AuditRow } from './store/audit-trail.repository.js';

/** Edge: what was done to the caller's organization, and by whom. */
@Injectable()
export class AuditController {
  constructor(private readonly trail: AuditTrailRepository) {}

  @Route(auditApi.list)
  async list({ principal, query }: RequestOf<typeof auditApi.list>) {
    return (await this.trail.list(principal.organizationId, query)).map(toWire);
  }
}

function toWire(row: AuditRow): AuditEntryWire {
  return { ...row, occurred_at: row.occurred_at.toISOString() };
}
