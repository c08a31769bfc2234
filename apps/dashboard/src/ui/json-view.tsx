import { indented } from './json-text.js';
import { tell } from './toasts.js';

/** JSON exactly as the server wrote it, set out over several lines. */
export function JsonView({ label, json }: { readonly label: string; readonly json: string }) {
  const text = indented(json);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    tell({ kind: 'good', text: `${label} copied` });
  };
  return (
    <div className="json">
      <pre tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      {'clipboard' in navigator && (
        <button type="button" className="button json-copy" onClick={() => void copy()}>
          Copy
        </button>
      )}
    </div>
  );
}
