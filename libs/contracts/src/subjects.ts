/** Every subject on the bus, stable tokens first so that wildcards are useful (design: few subjects on purpose). */
export const EVENT_STREAM = 'SPOOLED_EVENTS';
export const EVENT_SHARDS = 16;

/** Subject of an organization's committed events. */
export function eventSubject(organizationId: string): string {
  return `spooled.v1.events.${eventShard(organizationId)}`;
}

export const ALL_EVENT_SUBJECTS = 'spooled.v1.events.*';

/** FNV-1a over the id: stable in every process and language. Source: https://www.isthe.com/chongo/tech/comp/fnv/ */
export function eventShard(organizationId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < organizationId.length; index += 1) {
    hash = Math.imul(hash ^ organizationId.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash % EVENT_SHARDS;
}

export function rpcSubject(service: string, verb: string): string {
  return `spooled.v1.rpc.${service}.${verb}`;
}

export function hintSubject(what: string): string {
  return `spooled.v1.hint.${what}`;
}
