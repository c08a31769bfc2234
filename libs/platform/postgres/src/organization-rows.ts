import type { Database } from './database.js';
import { sql, type Statement } from './statement.js';

/** Small enough that no other statement waits long behind one. */
const BATCH = 2000;
/** Within the deadline of whoever asked, who asks again for the rest. */
const MAX_MS = 5000;

/** All that a room keeps of an organization, to be deleted with it: in the order of the tables, batch by batch. */
export class OrganizationRows {
  readonly statements: readonly Statement[];

  constructor(
    schema: string,
    readonly tables: readonly string[],
  ) {
    this.statements = tables.map((table) =>
      sql(
        `${schema}.forget-${table}`,
        `
        with gone as (
          delete from ${schema}.${table} where organization_id = $1 and ctid = any (array(
            select ctid from ${schema}.${table} where organization_id = $1 limit $2))
          returning 1
        )
        select count(*) as gone from gone`,
      ),
    );
  }

  /** Answers whether nothing is left; otherwise the time was too short for all. */
  async delete(database: Database, organizationId: string): Promise<boolean> {
    const endsAt = Date.now() + MAX_MS;
    for (const statement of this.statements) {
      for (let gone = BATCH; gone === BATCH;) {
        if (Date.now() > endsAt) return false;
        const rows = await database.query<{ gone: number }>([organizationId], statement, [
          organizationId,
          BATCH,
        ]);
        gone = rows[0]!.gone;
      }
    }
    return true;
  }
}
