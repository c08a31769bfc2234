import { AppError } from '@spooled/contracts';

/** One field of an expression: its name, its lowest and highest value, and the names of values, lowest first. */
interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const SUNDAY_AT_THE_END = 7;

const SECOND: Field = { name: 'second', min: 0, max: 59 };
const FIVE_FIELDS: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'weekday', min: 0, max: SUNDAY_AT_THE_END, names: WEEKDAYS },
];

/**
 * Checks an expression of five fields (minute hour day-of-month month weekday; second 0) or six (second first) and
 * answers it in one form: six fields, numbers only. Whoever evaluates it then needs to know no dialect.
 * @throws AppError `VALIDATION_ERROR` that says which field is wrong, and how
 */
export function parseCron(expression: string): string {
  const parts = expression.trim().split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6) {
    throw refused(`has ${parts.length} fields; it takes five or six`);
  }
  const six = parts.length === 5 ? ['0', ...parts] : parts;
  return [SECOND, ...FIVE_FIELDS].map((field, index) => parseField(field, six[index]!)).join(' ');
}

function parseField(field: Field, text: string): string {
  return text
    .split(',')
    .map((item) => parseItem(field, item))
    .join(',');
}

/** `*`, `*` with a step, `a`, `a-b` or `a-b/n`. */
function parseItem(field: Field, text: string): string {
  const [range = '', step, ...more] = text.split('/');
  if (more.length > 0) throw refused(`${field.name}: ${text} is not understood`);
  const [from = '', to, ...further] = range.split('-');
  if (further.length > 0) throw refused(`${field.name}: ${text} is not understood`);
  if (from === '*' && to === undefined) return `*${parseStep(field, step)}`;
  if (to === undefined) {
    if (step !== undefined) throw refused(`${field.name}: ${text} needs a range or * before the /`);
    return String(parseValue(field, from));
  }
  const [first, last] = [parseValue(field, from), parseEnd(field, to)];
  if (first > last) throw refused(`${field.name}: ${text} runs backwards`);
  return `${first}-${last}${parseStep(field, step)}`;
}

function parseStep({ name, min, max, names }: Field, step: string | undefined): string {
  if (step === undefined) return '';
  const size = names?.length ?? max - min + 1;
  if (!isNumber(step) || Number(step) < 1 || Number(step) > size) {
    throw refused(`${name}: the step must be 1 to ${size}`);
  }
  return `/${Number(step)}`;
}

/** As the end of a range Sunday is the last day, or FRI-SUN would run backwards. */
function parseEnd(field: Field, text: string): number {
  const value = parseValue(field, text);
  return value === 0 && field.names === WEEKDAYS && !isNumber(text) ? SUNDAY_AT_THE_END : value;
}

function parseValue({ name, min, max, names }: Field, text: string): number {
  const named = names?.indexOf(text.toUpperCase()) ?? -1;
  if (named >= 0) return named + min;
  if (!isNumber(text))
    throw refused(`${name}: ${text === '' ? 'a value' : text} is not understood`);
  const value = Number(text);
  if (value < min || value > max) throw refused(`${name}: ${value} is not ${min} to ${max}`);
  return value;
}

function isNumber(text: string): boolean {
  return /^\d{1,2}$/.test(text);
}

function refused(problem: string): AppError {
  return AppError.invalid('cron_expression', problem);
}
