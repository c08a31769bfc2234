import { AppError } from '@spooled/contracts';
import { parseCron } from './cron-expression.js';

describe('a cron expression', () => {
  it.each([
    ['five fields: the second is 0', '*/5 9-17 * * *', '0 */5 9-17 * * *'],
    ['six fields: second first', '30 * * * * *', '30 * * * * *'],
    ['any space between the fields', '  0\t9   * *  1 ', '0 0 9 * * 1'],
    ['lists of everything', '1,5-9,*/20,10-50/10 * * * *', '0 1,5-9,*/20,10-50/10 * * * *'],
    ['leading zeros', '05 07 01 02 03', '0 5 7 1 2 3'],
    ['month names in any case', '0 0 1 jan,Mar-MAY,oCt *', '0 0 0 1 1,3-5,10 *'],
    ['weekday names in any case', '0 0 * * sun,Mon-fri,SAT', '0 0 0 * * 0,1-5,6'],
    ['steps over names', '0 0 1 JAN-DEC/3 MON-SAT/2', '0 0 0 1 1-12/3 1-6/2'],
    ['0 and 7 for Sunday', '0 0 * * 0,7', '0 0 0 * * 0,7'],
    ['ranges that end on Sunday', '0 0 * * FRI-SUN,5-7', '0 0 0 * * 5-7,5-7'],
    ['ranges that begin on Sunday', '0 0 * * SUN-TUE,0-2', '0 0 0 * * 0-2,0-2'],
    ['every bound', '0-59 0-59 0-23 1-31 1-12 0-7', '0-59 0-59 0-23 1-31 1-12 0-7'],
    ['steps up to the whole field', '*/60 */60 */24 */31 */12 */7', '*/60 */60 */24 */31 */12 */7'],
  ])('takes %s', (_name, given, expected) => {
    expect(parseCron(given)).toBe(expected);
  });

  it.each([
    ['nothing', '', 'fields'],
    ['four fields', '* * * *', '4 fields'],
    ['seven fields', '0 * * * * * 2030', '7 fields'],
    ['a word', 'every day at noon please', 'minute'],
    ['a nickname', '@hourly', 'fields'],
    ['second 60', '60 * * * * *', 'second'],
    ['minute 60', '60 * * * *', 'minute'],
    ['hour 24', '* 24 * * *', 'hour'],
    ['day 0', '* * 0 * *', 'day of month'],
    ['day 32', '* * 32 * *', 'day of month'],
    ['month 0', '* * * 0 *', 'month'],
    ['month 13', '* * * 13 *', 'month'],
    ['weekday 8', '* * * * 8', 'weekday'],
    ['an unknown name', '* * * FOO *', 'month'],
    ['a name in the wrong field', '* * * MON *', 'month'],
    ['a longer name', '* * * * MONDAY', 'weekday'],
    ['a step of 0', '*/0 * * * *', 'step'],
    ['a step beyond the field', '*/61 * * * *', 'step'],
    ['a step of eight weekdays', '* * * * */8', 'step'],
    ['a step of nothing', '*/ * * * *', 'step'],
    ['a step from one value', '5/15 * * * *', 'range'],
    ['a step of a step', '*/2/2 * * * *', 'understood'],
    ['a range that runs backwards', '30-10 * * * *', 'backwards'],
    ['a range over the weekend by number', '* * * * 6-0', 'backwards'],
    ['a range of three', '1-2-3 * * * *', 'understood'],
    ['half a range', '1- * * * *', 'value'],
    ['a negative number', '-1 * * * *', 'value'],
    ['a fraction', '1.5 * * * *', 'understood'],
    ['an empty item', '1,,2 * * * *', 'value'],
    ['a star in a range', '*-5 * * * *', 'understood'],
    ['? for any', '0 0 ? * MON', 'day of month'],
    ['L for last', '0 0 L * *', 'day of month'],
    ['W for the nearest workday', '0 0 15W * *', 'day of month'],
    ['# for the nth weekday', '0 0 * * MON#1', 'weekday'],
    ['+ for both', '0 0 1 * +MON', 'weekday'],
    ['a NUL', '\0 * * * *', 'minute'],
  ])('refuses %s', (_name, given, problem) => {
    let refusal: unknown;
    try {
      parseCron(given);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(AppError);
    expect(refusal).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: [{ field: 'cron_expression', message: expect.stringContaining(problem) }],
    });
  });
});
