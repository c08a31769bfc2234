import { hash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

/** The id of the one delivery of an event to an endpoint: a UUIDv7 of the event's time, made of what identifies the two. */
export function deliveryId(endpointId: string, seq: number, at: Date): string {
  const random = hash('sha256', `${endpointId} ${seq}`, 'buffer');
  return uuidv7({ msecs: at.getTime(), random });
}

/** The lowest id that a delivery of an event of that time, or later, can have. */
export function firstDeliveryIdAt(msecs: number): string {
  return uuidv7({ msecs, random: new Uint8Array(16), seq: 0 });
}

/** When the event of a delivery happened, in milliseconds. */
export function deliveryTime(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}
