import { useCronText, useNextFires } from '../live/cron.js';
import type { Schedule } from '../live/schedules.js';
import { Ago } from '../ui/time.js';

/** When a schedule fires, in words, with the expression. */
export function CronText({
  schedule: { cronExpression, timezone },
}: {
  readonly schedule: Schedule;
}) {
  return (
    <>
      {useCronText(cronExpression)}
      <br />
      <code className="muted">
        {cronExpression} · {timezone}
      </code>
    </>
  );
}

/** When it fires next; a paused one does not. */
export function NextFire({ schedule }: { readonly schedule: Schedule }) {
  const [next] = useNextFires(schedule, 1);
  return schedule.isActive ? <Ago at={next?.toISOString()} /> : <>paused</>;
}
