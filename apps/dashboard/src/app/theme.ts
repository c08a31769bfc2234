export type Theme = 'system' | 'light' | 'dark';

const KEY = 'spooled.theme';

export function chosenTheme(): Theme {
  const theme = localStorage.getItem(KEY);
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function chooseTheme(theme: Theme): void {
  if (theme === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  applyTheme();
}

/** The styles follow `color-scheme`; see styles/tokens.css. */
export function applyTheme(): void {
  document.documentElement.dataset['theme'] = chosenTheme();
}
