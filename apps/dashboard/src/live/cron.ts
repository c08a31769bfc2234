import { useEffect, useState } from 'react';

import { useNow } from './clock.js';
import type { Schedule } from './schedules.js';

type Timing = Pick<Schedule, 'cronExpression' | 'timezone' | 'nextRunAt' | 'isActive'>;

/** `At 09:00, Monday through Friday`; the expression itself until the words are loaded, or when there are none. */
export function useCronText(expression: string): string {
  const [said, setSaid] = useState({ expression, text: expression });
  useEffect(() => {
    let isOver = false;
    void import('cronstrue').then(({ default: cronstrue }) => {
      if (isOver) return;
      const options = { use24HourTimeFormat: true, throwExceptionOnParseError: false };
      const text = cronstrue.toString(expression, options);
      setSaid({ expression, text: text.startsWith('An error') ? expression : text });
    });
    return () => {
      isOver = true;
    };
  }, [expression]);
  return said.expression === expression ? said.text : expression;
}

/** The next fires, soonest first. The server told the first one; those after it are reckoned here. */
export function useNextFires(timing: Timing, many: number): readonly Date[] {
  const { cronExpression, timezone, nextRunAt } = timing;
  const [cron, setCron] = useState<NextRuns>();
  const now = useNow();
  useEffect(() => {
    let isOver = false;
    void import('croner').then(({ Cron }) => {
      if (isOver) return;
      setCron(() => nextRuns(Cron, cronExpression, timezone));
    });
    return () => {
      isOver = true;
    };
  }, [cronExpression, timezone]);
  const told = new Date(nextRunAt);
  const isToCome = told.getTime() >= now;
  if (cron === undefined) return isToCome ? [told] : [];
  return isToCome ? [told, ...cron(many - 1, told)] : cron(many, new Date(now));
}

type NextRuns = (many: number, after: Date) => readonly Date[];

function nextRuns(
  Cron: (typeof import('croner'))['Cron'],
  expression: string,
  timezone: string,
): NextRuns {
  try {
    const cron = new Cron(expression, { timezone });
    return (many, after) => cron.nextRuns(many, after);
  } catch {
    // The server knows zones and expressions that are unknown here; it told the first fire.
    return () => [];
  }
}
