import { Store, useStore } from '../live/store.js';
import { Icon } from './icon.js';

export interface Toast {
  readonly kind: 'good' | 'bad';
  readonly text: string;
  readonly code?: string;
}

interface Told extends Toast {
  readonly id: number;
}

const SHOWN_MS = 8000;
const told = new Store<readonly Told[]>([]);
let lastId = 0;

/** Says at the edge of the page how something went. What went wrong stays until it is closed. */
export function tell(toast: Toast): void {
  const id = ++lastId;
  told.set([...told.get().slice(-3), { ...toast, id }]);
  if (toast.kind === 'good') setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  told.set(told.get().filter((each) => each.id !== id));
}

export function Toasts() {
  const toasts = useStore(told);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map(({ id, kind, text, code }) => (
        <div key={id} className="toast" data-kind={kind}>
          <Icon name={kind === 'good' ? 'check' : 'alert'} />
          <p>
            {text} {code !== undefined && <code>{code}</code>}
          </p>
          <button
            type="button"
            className="icon-button"
            aria-label="Close"
            onClick={() => dismiss(id)}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
