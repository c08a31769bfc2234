import { useSearchParams } from 'wouter';

/** What the URL filters by, and how to change it; an empty value takes a filter away. */
export function useFilter(): [
  URLSearchParams,
  (changes: Readonly<Record<string, string>>) => void,
] {
  const [params, setParams] = useSearchParams();
  const change = (changes: Readonly<Record<string, string>>) =>
    setParams(
      (before) => {
        const isSame = Object.entries(changes).every(
          ([name, value]) => (before.get(name) ?? '') === value,
        );
        if (isSame) return before;
        const next = new URLSearchParams(before);
        // Another filter means another list: its first page.
        next.delete('page');
        for (const [name, value] of Object.entries(changes)) {
          if (value === '') next.delete(name);
          else next.set(name, value);
        }
        return next;
      },
      { replace: true },
    );
  return [params, change];
}

/** The page of a list that the URL says; nonsense is the first page. */
export function pageOf(params: URLSearchParams): number {
  const page = Number(params.get('page') ?? 1);
  return Number.isInteger(page) && page > 0 ? page : 1;
}
