import { windows, type Window } from './history.js';

/** How far back the charts look. */
export function WindowChoice({
  shown,
  onChoice,
}: {
  readonly shown: Window;
  readonly onChoice: (window: Window) => void;
}) {
  return (
    <div className="choice" role="group" aria-label="How far back the charts look">
      {windows.map((each) => (
        <button
          key={each.label}
          type="button"
          aria-pressed={each === shown}
          onClick={() => onChoice(each)}
        >
          {each.label}
        </button>
      ))}
    </div>
  );
}
