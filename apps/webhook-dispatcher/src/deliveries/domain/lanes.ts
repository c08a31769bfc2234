/** A receiver with deliveries that are due: an endpoint, or a host that completion webhooks name. */
export interface DueLane {
  readonly organization_id: string;
  readonly lane: string;
}

export interface Room {
  readonly lane: DueLane;
  /** How many of its deliveries may begin now. */
  readonly room: number;
}

interface Lane {
  inFlight: number;
  cap: number;
  isFailing: boolean;
}

const FIRST_CAP = 2;
const MAX_CAP = 32;
/** Of what is in flight, lanes whose last attempt failed get no more than this share. */
const FAILING_SHARE = 0.5;
/** Lanes that are remembered though nothing of theirs is in flight. */
const MAX_IDLE = 10_000;

/**
 * How many requests may be under way to each receiver, and to all together. One begins with two, gets twice as
 * many with each success, and falls back to one with a failure: a receiver that hangs holds one place, and all that hang
 * together never more than half, however much is waiting for them.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  #inFlight = 0;
  #failingInFlight = 0;
  #turn = 0;

  constructor(private readonly maxInFlight: number) {}

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Shares the free places among lanes that are due; who comes first changes from call to call. */
  rooms(due: readonly DueLane[]): Room[] {
    let free = this.maxInFlight - this.#inFlight;
    let freeForFailing = Math.floor(this.maxInFlight * FAILING_SHARE) - this.#failingInFlight;
    const start = due.length === 0 ? 0 : (this.#turn += 1) % due.length;
    const rooms: Room[] = [];
    for (const lane of [...due.slice(start), ...due.slice(0, start)]) {
      const { inFlight, cap, isFailing } = this.#lanes.get(lane.lane) ?? fresh();
      const room = Math.min(cap - inFlight, free, isFailing ? freeForFailing : Infinity);
      if (room <= 0) continue;
      free -= room;
      if (isFailing) freeForFailing -= room;
      rooms.push({ lane, room });
    }
    return rooms;
  }

  began(name: string): void {
    const lane = this.#lanes.get(name) ?? fresh();
    this.#lanes.set(name, lane);
    lane.inFlight += 1;
    this.#inFlight += 1;
    if (lane.isFailing) this.#failingInFlight += 1;
  }

  ended(name: string, isSuccess: boolean): void {
    const lane = this.#lanes.get(name)!;
    this.#inFlight -= 1;
    if (lane.isFailing) this.#failingInFlight -= lane.inFlight;
    lane.inFlight -= 1;
    lane.isFailing = !isSuccess;
    if (lane.isFailing) this.#failingInFlight += lane.inFlight;
    lane.cap = isSuccess ? Math.min(lane.cap * 2, MAX_CAP) : 1;
    this.#forgetIdle();
  }

  #forgetIdle(): void {
    if (this.#lanes.size <= MAX_IDLE + this.#inFlight) return;
    for (const [name, { inFlight }] of this.#lanes) {
      if (inFlight === 0) this.#lanes.delete(name);
    }
  }
}

function fresh(): Lane {
  return { inFlight: 0, cap: FIRST_CAP, isFailing: false };
}
