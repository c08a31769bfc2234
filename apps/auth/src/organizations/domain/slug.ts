const MAX_WORD_CHARS = 80;

/** The slug a name suggests, which may be empty: every run of other characters becomes one hyphen. */
export function slugOf(name: string): string {
  const word = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  const prefixed = /^\d/.test(word) ? `org-${word}` : word;
  return withoutLastHyphen(prefixed.slice(0, MAX_WORD_CHARS));
}

/** Another slug for one that is taken, or for none at all. */
export function withSuffix(slug: string, suffix: string): string {
  const maxChars = 100 - suffix.length - 1;
  return `${withoutLastHyphen(slug.slice(0, maxChars)) || 'org'}-${suffix}`;
}

function withoutLastHyphen(text: string): string {
  return text.replace(/-+$/, '');
}
