import type { Principal } from '@spooled/contracts';

/** Tells whose credential this is. Also the injection token; the access library provides it. */
export abstract class PrincipalResolver {
  /** @throws AppError `SERVICE_UNAVAILABLE` when it cannot be told at the moment. */
  abstract resolve(credential: string): Promise<Principal | null>;
}
