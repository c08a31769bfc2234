import { Injectable } from '@nestjs/common';
import { keyActor, recordAction } from '@spooled/audit';
import {
  AppError,
  isUuid,
  jobsRpc,
  schedulesRpc,
  workersRpc,
  type AuditActor,
  type Principal,
} from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { AuthChanges } from '../credentials/auth-changes.js';
import { KeyRepository } from '../keys/store/key.repository.js';
import { RemovalFinisher } from '../maintenance/removal-finisher.js';
import { OrganizationRepository } from './store/organization.repository.js';
import { RemovalRepository } from './store/removal.repository.js';

/**
 * Ends organizations for good. Here they are gone with one commit, and with them every credential; that the other
 * services must forget them too, and that nobody pays any more, is part of the same commit and seen to until it is so.
 */
@Injectable()
export class RemovalService {
  constructor(
    private readonly database: Database,
    private readonly organizations: OrganizationRepository,
    private readonly keys: KeyRepository,
    private readonly removals: RemovalRepository,
    private readonly finisher: RemovalFinisher,
    private readonly changes: AuthChanges,
    private readonly bus: Bus,
  ) {}

  /** @throws AppError `NOT_FOUND`, `CONFLICT` while the organization is at work, `SERVICE_UNAVAILABLE` when nobody can tell. */
  async removeOwn(caller: Principal, id: string): Promise<void> {
    if (id !== caller.organizationId) unknownOrganization();
    await this.#requireIdle(id);
    await this.#remove(id, keyActor(caller), false);
  }

  /** Ends every credential and keeps the data. @throws AppError `NOT_FOUND`, also for one that was deleted before. */
  async removeSoftly(id: string, actor: AuditActor): Promise<void> {
    if (!isUuid(id)) unknownOrganization();
    await this.database.transaction([id], async (tx) => {
      const slug = await this.organizations.removeSoftly(tx, id);
      if (slug === null) unknownOrganization();
      await this.keys.revokeAll(tx, id);
      const details = { slug, kind: 'soft' };
      recordAction(tx, { organizationId: id, actor, action: 'organization.deleted', details });
    });
    await this.changes.organization(id);
  }

  /** Whatever it is doing, and also when it was deleted softly before. @throws AppError `NOT_FOUND` */
  async remove(id: string, actor: AuditActor): Promise<void> {
    if (!isUuid(id)) unknownOrganization();
    await this.#remove(id, actor, true);
  }

  async #remove(id: string, actor: AuditActor, isDeletedMeant: boolean): Promise<void> {
    await this.database.transaction([id], async (tx) => {
      const removed = await this.organizations.remove(tx, id, isDeletedMeant);
      if (removed === null) unknownOrganization();
      this.removals.start(tx, id, removed.subscription_id);
      const details = { slug: removed.slug, kind: 'hard' };
      recordAction(tx, { organizationId: id, actor, action: 'organization.deleted', details });
    });
    await this.changes.organization(id);
    this.finisher.wake();
  }

  async #requireIdle(organizationId: string): Promise<void> {
    const [{ activeJobs }, workers, { schedules }] = await Promise.all([
      this.bus.request(jobsRpc.usage, { organizationId }),
      this.bus.request(workersRpc.summary, { organizationId, queueNames: null }),
      this.bus.request(schedulesRpc.usage, { organizationId }),
    ]);
    const counts = { active_jobs: activeJobs, workers: workers.counted, schedules };
    if (Object.values(counts).every((count) => count === 0)) return;
    throw new AppError(
      'CONFLICT',
      `The organization still has ${activeJobs} active jobs, ${workers.counted} active workers and ${schedules} active schedules.`,
      { extra: counts },
    );
  }
}

function unknownOrganization(): never {
  throw new AppError('NOT_FOUND', 'Organization not found');
}
