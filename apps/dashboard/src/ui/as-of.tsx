import { ClockTime } from './time.js';

/** Of what no event tells: when it was read, and a button to read it again. */
export function AsOf({ readAt, onRead }: { readonly readAt: number; readonly onRead: () => void }) {
  return (
    <span className="as-of">
      As of <ClockTime at={readAt} />
      <button type="button" className="button" onClick={onRead}>
        Read again
      </button>
    </span>
  );
}
