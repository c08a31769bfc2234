import { eventNames, type RealtimeEvent } from '@spooled/contracts';

/** An event as it goes out: serialised once, framed once per transport, however many connections get it. */
export class Message {
  readonly event: RealtimeEvent;
  /** Place in the organization's log; null for control events, which must never carry or move a cursor. */
  readonly seq: number | null;
  readonly cursor: string | null;
  /** The envelope as one line of JSON. */
  readonly json: string;
  /** Frames by `Transport.format`, made on first use. */
  readonly frames: (Buffer | undefined)[] = [];

  constructor(event: RealtimeEvent, stored?: { readonly seq: number; readonly cursor: string }) {
    this.event = event;
    this.seq = stored?.seq ?? null;
    this.cursor = stored?.cursor ?? null;
    const json = JSON.stringify(event);
    this.json = stored === undefined ? json : `${json.slice(0, -1)},"id":"${stored.cursor}"}`;
  }

  /** Dotted name of the event. */
  get name(): string {
    return eventNames[this.event.type];
  }
}
