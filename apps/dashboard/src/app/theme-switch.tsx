import { useState } from 'react';

import { Icon } from '../ui/icon.js';
import { chooseTheme, chosenTheme, type Theme } from './theme.js';

const next = { system: 'light', light: 'dark', dark: 'system' } as const satisfies Record<
  Theme,
  Theme
>;
const icons = { system: 'monitor', light: 'sun', dark: 'moon' } as const;

export function ThemeSwitch() {
  const [theme, setTheme] = useState(chosenTheme);
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${theme}. Change to ${next[theme]}`}
      title={`Theme: ${theme}`}
      onClick={() => {
        chooseTheme(next[theme]);
        setTheme(next[theme]);
      }}
    >
      <Icon name={icons[theme]} />
    </button>
  );
}
