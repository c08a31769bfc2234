const whole = new Intl.NumberFormat('en');

/** `12,345`; a dash for what is not known. */
export function count(value: number | null | undefined): string {
  return value == null ? '–' : whole.format(value);
}
