import './meter.css';

/** How much of a limit, or of a goal, is reached: said in words too, so the bar is for the eye alone. */
export function Meter({
  percentage,
  isGoal = false,
}: {
  readonly percentage: number;
  /** To reach it is good. */
  readonly isGoal?: boolean;
}) {
  const level = isGoal || percentage < 80 ? 'normal' : percentage < 100 ? 'high' : 'full';
  return (
    <span className="meter" data-level={level} aria-hidden="true">
      <span style={{ inlineSize: `${Math.min(100, percentage)}%` }} />
    </span>
  );
}
