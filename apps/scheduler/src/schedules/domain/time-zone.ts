/** The clocks of a place. */
export interface TimeZone {
  /** How far they are ahead of UTC at an instant (milliseconds since 1970), in milliseconds. */
  offsetAt(instant: number): number;
}

const FIXED = /^([+-])([01]\d|2[0-3]):([0-5]\d)$/;
/** As `Intl` writes an offset: `GMT`, `GMT+05:30`, and with seconds for times before standard time. */
const WRITTEN = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;

/** The zone of an IANA name or of a fixed `±HH:MM`; `null` when there is no such zone. */
export function timeZone(name: string): TimeZone | null {
  const fixed = FIXED.exec(name);
  if (fixed !== null) {
    const offset = milliseconds(fixed);
    return { offsetAt: () => offset };
  }
  // `Intl` knows further ways to write an offset; the contract has one.
  return /^[+-]/.test(name) ? null : namedZone(name);
}

function namedZone(name: string): TimeZone | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch {
    return null;
  }
  return {
    offsetAt: (instant) => {
      const written = WRITTEN.exec(format.format(instant));
      if (written === null) throw new Error(`no offset in ${format.format(instant)}`);
      return milliseconds(written);
    },
  };
}

function milliseconds([
  ,
  sign,
  hours = '0',
  minutes = '0',
  seconds = '0',
]: RegExpExecArray): number {
  const size = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  return sign === '-' ? -size : size;
}
